package parts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const digOutput = `; <<>> DiG 9.18 <<>> @127.0.0.1 app.gslb.example.com
; (1 server found)
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 34707
;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 1, ADDITIONAL: 2
;; WARNING: recursion requested but not available

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
;; QUESTION SECTION:
;app.gslb.example.com.		IN	A

;; ANSWER SECTION:
app.gslb.example.com.	5	IN	A	192.0.2.1
app.gslb.example.com.	5	IN	TXT	"a b" "c;d"

;; AUTHORITY SECTION:
gslb.example.com.	20	IN	NS	ns1.gslb.example.com.

;; ADDITIONAL SECTION:
ns1.gslb.example.com.	20	IN	AAAA	2001:db8::1

;; Query time: 0 msec
;; SERVER: 127.0.0.1#53(127.0.0.1) (UDP)
`

func TestParseDig(t *testing.T) {
	reply, err := parseDig(digOutput)
	if err != nil {
		t.Fatal(err)
	}
	type summary struct {
		Status                string
		Flags, Short          []string
		Authority, Additional int
	}
	got := summary{reply.Status, reply.Flags, reply.Short(), len(reply.Authority), len(reply.Additional)}
	want := summary{"NOERROR", []string{"qr", "aa", "rd"}, []string{"192.0.2.1", `"a b" "c;d"`}, 1, 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parseDig (-want +got):\n%s", diff)
	}
	if addrs := Addresses(append(reply.Answer, reply.Additional...)); fmt.Sprint(addrs) != "[192.0.2.1 2001:db8::1]" {
		t.Errorf("Addresses() = %v, want those of A and AAAA", addrs)
	}
}

func TestParseDigRefuses(t *testing.T) {
	for _, text := range []string{
		"",
		";; connection timed out; no servers could be reached\n",
		strings.Replace(digOutput, "192.0.2.1", "nonsense", 1),
	} {
		if reply, err := parseDig(text); err == nil {
			t.Errorf("parseDig(%.40q…) = %+v, want an error", text, reply)
		}
	}
}

func FuzzParseDig(f *testing.F) {
	f.Add(digOutput)
	f.Add(";; ->>HEADER<<- opcode: QUERY, status: REFUSED\n;; flags:\n;; ANSWER SECTION:\n")
	f.Fuzz(func(t *testing.T, text string) {
		if reply, err := parseDig(text); err == nil && (reply.Status == "" || len(reply.Short()) != len(reply.Answer)) {
			t.Errorf("parseDig(%q) = %+v", text, reply)
		}
	})
}

func TestParseProcAddr(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"0B00007F:1F90", "127.0.0.11:8080"},
		{"00000000:0035", "0.0.0.0:53"},
		{"00000000000000000000000001000000:1F95", "[::1]:8085"},
		{"0000000000000000FFFF00000100007F:0050", "127.0.0.1:80"},
		{"0B00007F", "error"},
		{"0B00:1F90", "error"},
		{"XY00007F:1F90", "error"},
		{"", "error"},
	} {
		got := "error"
		if addr, err := parseProcAddr(test.text); err == nil {
			got = addr.String()
		}
		if got != test.want {
			t.Errorf("parseProcAddr(%q) = %s, want %s", test.text, got, test.want)
		}
	}
}

func TestFreeNamesTheHolder(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, taken := range []net.Addr{tcp.Addr(), udp.LocalAddr()} {
		err := Free(taken.Network(), netip.MustParseAddrPort(taken.String()))
		if me := fmt.Sprintf("(process %d)", os.Getpid()); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), me) {
			t.Errorf("Free(%v) = %v, want an error that names this process", taken, err)
		}
	}
}

func TestFreePort(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	seen := make(map[uint16]bool)
	for range 20 {
		at, err := lab.FreePort(netip.MustParseAddr("127.0.0.11"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[at.Port()] {
			t.Errorf("FreePort() returned %v twice", at)
		}
		seen[at.Port()] = true
		if err := errors.Join(Free("tcp", at), Free("udp", at)); err != nil {
			t.Error(err)
		}
	}
	if at, err := lab.FreePort(netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Errorf("FreePort() of an address that is not the machine's = %v, want an error", at)
	}
}

func TestUntil(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	broken := errors.New("broken")
	err := Until(ctx, "it works", func(context.Context) error { return broken })
	if !errors.Is(err, broken) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "it works") {
		t.Errorf("Until() = %v; want what was awaited, the last error and the deadline", err)
	}
	calls := 0
	err = Until(t.Context(), "it works", func(context.Context) error { calls++; return final(broken) })
	if calls != 1 || !errors.Is(err, broken) {
		t.Errorf("Until() = %v after %d calls, want the final error after one", err, calls)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	const want = "gslb-no-such-program is not installed; run make setup"
	if _, err := find("gslb-no-such-program"); err == nil || err.Error() != want {
		t.Errorf("find() = %v, want %q", err, want)
	}
	t.Setenv(DynamoDBLocalVar, t.TempDir())
	if _, err := dynamoDBLocalDir(); err == nil || !strings.Contains(err.Error(), "run make setup") {
		t.Errorf("dynamoDBLocalDir() = %v, want one that says make setup", err)
	}
}

func TestUnknownFault(t *testing.T) {
	err := new(Region).Inflict(t.Context(), "flood")
	if err == nil || !strings.Contains(err.Error(), `"flood" is not one of lb-kill, lb-hang, app-503`) {
		t.Errorf("Inflict() = %v, want one that lists the faults", err)
	}
}
