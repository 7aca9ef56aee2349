package handover

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gslb/server"
)

const soon = time.Minute // the machine may be busy

func pair(t *testing.T) (ours, theirs Conn) {
	t.Helper()
	ours, end, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(end.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	if theirs, err = FromFD(fd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestManyDescriptors sends more descriptors than fit into one message of the kernel, with more bytes than
// fit into its buffer: each comes with what is said of it.
func TestManyDescriptors(t *testing.T) {
	const many = 350
	ours, theirs := pair(t)
	var sent Message
	for i := range many {
		fd, err := unix.MemfdCreate("a connection", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, []byte{byte(i), byte(i >> 8)}); err != nil {
			t.Fatal(err)
		}
		sent.Conns = append(sent.Conns, server.Conn{
			FD: fd, Client: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i)), Held: make([]byte, i), Unsent: make([]byte, 10*i),
		})
	}
	sent.Kind = Conns
	failed := make(chan error, 1)
	go func() { failed <- ours.Send(sent, soon) }()
	got, err := theirs.Receive(soon, Conns)
	if err := errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	if len(got.Conns) != many {
		t.Fatalf("%d connections came of %d", len(got.Conns), many)
	}
	for i, c := range got.Conns {
		content := make([]byte, 3)
		n, err := unix.Pread(c.FD, content, 0)
		if err != nil || n != 2 || int(content[0])|int(content[1])<<8 != i || int(c.Client.Port()) != i || len(c.Held) != i || len(c.Unsent) != 10*i {
			t.Fatalf("connection %d is %+v with %v, %v", i, c.Client, content[:n], err)
		}
		if flags, err := unix.FcntlInt(uintptr(c.FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Fatalf("descriptor %d would be inherited, %v", i, err)
		}
	}
	got.Close()
	sent.Close()
}

// TestNothingIsLeftOpen receives what it does not want, or what ends in the middle: no descriptor stays open.
func TestNothingIsLeftOpen(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	sockets := Message{Kind: Sockets, Sockets: []Socket{{FD: int(null.Fd()), Use: ForDNS}, {FD: int(null.Fd()), Use: ForAdmin}}}
	for name, test := range map[string]struct {
		send func(Conn) error
		want string
	}{
		"another kind": {func(c Conn) error { return c.Send(sockets, soon) }, `got "sockets", want yours`},
		"refused":      {func(c Conn) error { return c.Send(Message{Kind: Refused, Why: "not today"}, soon) }, "not today"},
		"the end":      {func(c Conn) error { return c.Close() }, "EOF"},
		"cut": {func(c Conn) error {
			_, _, err := c.WriteMsgUnix([]byte{0, 0, 0, 9}, unix.UnixRights(int(null.Fd())), nil)
			return errors.Join(err, c.Close())
		}, "EOF"},
		"no JSON": {func(c Conn) error {
			_, _, err := c.WriteMsgUnix([]byte{0, 0, 0, 1, '{'}, unix.UnixRights(int(null.Fd())), nil)
			return err
		}, "JSON"},
		"too many descriptors": {func(c Conn) error {
			_, _, err := c.WriteMsgUnix([]byte("\x00\x00\x00\x11{\"kind\":\"hello\"} "), unix.UnixRights(int(null.Fd())), nil)
			return err
		}, "1 descriptors came for 0"},
		"too long": {func(c Conn) error { _, err := c.Write([]byte{255, 0, 0, 0}); return err }, "a message of"},
	} {
		ours, theirs := pair(t)
		before := descriptors(t)
		if err := test.send(ours); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := theirs.Receive(soon, Yours)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if refused := RefusedError(""); errors.As(err, &refused) != (name == "refused") {
			t.Errorf("%s: refused %t", name, errors.As(err, &refused))
		}
		if now := descriptors(t); now > before {
			t.Errorf("%s: %d descriptors are open, and were %d", name, now, before)
		}
	}
}

// TestReceiveDoesNotWaitForEver has nobody say anything.
func TestReceiveDoesNotWaitForEver(t *testing.T) {
	_, theirs := pair(t)
	if _, err := theirs.Receive(10*time.Millisecond, Done); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// TestMessageOfAStoppedProcess has the time run out while this process is stopped: what has come meanwhile is
// heard, and so is the end of the other one.
func TestMessageOfAStoppedProcess(t *testing.T) {
	ours, theirs := pair(t)
	for _, kind := range []Kind{Yours, Done} {
		if err := ours.Send(Message{Kind: kind}, soon); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := theirs.Receive(1, Yours); err != nil {
		t.Error(err)
	}
	theirs.Interrupt()
	if _, err := theirs.Receive(soon, Done); err != nil {
		t.Error(err)
	}
	began := time.Now()
	if _, err := theirs.Receive(soon, Done); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > soon/2 {
		t.Errorf("after an interruption: %v after %v", err, time.Since(began))
	}
	ours.Close()
	if _, err := theirs.Receive(1, Done); !Ended(err) {
		t.Errorf("the end is taken for %v", err)
	}
	if _, err := theirs.Receive(0, Done); !Ended(err) {
		t.Errorf("the end is taken for %v", err)
	}
}

// TestDoor comes to a door, to one that nobody waits at, and to none.
func TestDoor(t *testing.T) {
	dir := t.TempDir()
	if _, err := Dial(dir); !errors.Is(err, ErrNobody) {
		t.Errorf("without a door: %v", err)
	}
	first, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(first.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	_ = first.listener.Close() // as by a crash: the file stays
	if _, err := Dial(dir); !errors.Is(err, ErrNobody) {
		t.Errorf("after a crash: %v", err)
	}
	second, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, pid, err := second.Accept()
	if err != nil || pid != os.Getpid() {
		t.Fatalf("process %d, %v", pid, err)
	}
	got.Close()
	_ = first.Close() // it is not its file any more
	if _, err := os.Stat(second.path); err != nil {
		t.Errorf("the file of another was removed: %v", err)
	}
	// Somebody cleans up, while the next one is waited for.
	if renewed, err := second.Renew(); renewed || err != nil {
		t.Errorf("renewed though it is there: %v, %v", renewed, err)
	}
	accepted := make(chan int)
	go func() {
		conn, pid, err := second.Accept()
		if err != nil {
			t.Errorf("after the file was removed: %v", err)
		}
		conn.Close()
		accepted <- pid
	}()
	if err := os.Remove(second.path); err != nil {
		t.Fatal(err)
	}
	if renewed, err := second.Renew(); !renewed || err != nil {
		t.Errorf("renewed: %v, %v", renewed, err)
	}
	later, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	if pid := <-accepted; pid != os.Getpid() {
		t.Errorf("process %d", pid)
	}
	second.Close()
	if renewed, err := second.Renew(); renewed || err != nil {
		t.Errorf("renewed though it is closed: %v, %v", renewed, err)
	}
	if _, err := os.Stat(second.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}
