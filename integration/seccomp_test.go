//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"gslb/integration/parts"
)

// Variables that make this test program confine itself and become another one.
const (
	confinedVar = "GSLB_TEST_CONFINED" // the path of that program
	callsVar    = "GSLB_TEST_CALLS"    // the numbers of the system calls that it may make
)

// confineIfAsked returns if nobody has asked for that. A program that makes another system call gets SIGSYS, on which
// one in Go writes down where it was.
func confineIfAsked() {
	program := os.Getenv(confinedVar)
	if program == "" {
		return
	}
	os.Unsetenv(confinedVar)
	err := confine(strings.Fields(os.Getenv(callsVar)))
	if err == nil {
		err = syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "confine:", err)
	os.Exit(1)
}

// confine limits this thread and what it executes.
func confine(calls []string) error {
	const archOffset, numberOffset = 4, 0 // in struct seccomp_data
	arch, known := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !known {
		return fmt.Errorf("nobody knows the architecture %s", runtime.GOARCH)
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32) unix.SockFilter { // skips the next one if it is another
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: k}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	filter := []unix.SockFilter{load(archOffset), equal(arch), load(numberOffset)}
	for _, call := range calls {
		number, err := strconv.ParseUint(call, 10, 32)
		if err != nil {
			return err
		}
		filter = append(filter, equal(uint32(number)), end(unix.SECCOMP_RET_ALLOW))
	}
	filter = append(filter, end(unix.SECCOMP_RET_TRAP))
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// documentedCalls is the system calls that deploy/seccomp.json lets the server make.
func documentedCalls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rootOf(t), "deploy", "seccomp.json"))
	must(t, err)
	var profile struct {
		DefaultAction string
		Syscalls      []struct {
			Action string
			Names  []string
		}
	}
	must(t, json.Unmarshal(text, &profile))
	if profile.DefaultAction != "SCMP_ACT_ERRNO" || len(profile.Syscalls) != 2 || profile.Syscalls[0].Action != "SCMP_ACT_ALLOW" {
		t.Fatalf("deploy/seccomp.json: it is %+v, want what is allowed in two lists, and all else refused", profile)
	}
	return profile.Syscalls[0].Names
}

// numbersOf is the numbers that system calls have here. Those that this kind of machine does not have are left out.
func numbersOf(t *testing.T, names []string) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	must(t, err)
	table, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+runtime.GOARCH+".go"))
	must(t, err)
	number := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+= (\d+)$`).FindAllStringSubmatch(string(table), -1) {
		number[strings.ToLower(match[1])] = match[2]
	}
	if runtime.GOARCH == "arm64" {
		number["newfstatat"] = number["fstatat"]
	}
	var numbers []string
	for _, name := range names {
		if number[name] != "" {
			numbers = append(numbers, number[name])
		}
	}
	if len(numbers) < 80 {
		t.Fatalf("only %d of the system calls %v are known", len(numbers), names)
	}
	return numbers
}

// TestSystemCalls has the server live a short life in which any system call that deploy/seccomp.json does not list would
// kill it: it starts, probes, answers, saves, logs queries, takes a changed configuration and commands, hands over to
// the next process, and ends.
func TestSystemCalls(t *testing.T) {
	ctx := beside(t)
	self, err := os.Executable()
	must(t, err)
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	must(t, err)
	defer manager.Close()
	words := make(chan string, 1000)
	go func() {
		for buf := make([]byte, 200); ; {
			n, err := manager.Read(buf)
			if err != nil {
				return // it is closed
			}
			words <- string(buf[:n])
		}
	}()
	hear := func(prefix string) (rest string) {
		t.Helper()
		for {
			select {
			case word := <-words:
				if rest, is := strings.CutPrefix(word, prefix); is {
					return rest
				}
			case <-ctx.Done():
				t.Fatalf("the service manager does not hear %s", prefix)
			}
		}
	}
	s := setup{
		Server: fmt.Sprintf("[server.dnstap]\nfile = %q\n", filepath.Join(dir, "queries")), Zone: appZone, launcher: self,
		Env: append(parts.Credentials(), callsVar+"="+strings.Join(numbersOf(t, documentedCalls(t)), " "),
			"NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=4000000"),
	}
	u := s.serveUpgradable(t, ctx)
	lived := func(ctx context.Context) {
		t.Helper()
		if reply, err := parts.Dig(ctx, u.setup.Listen, app, "A"); err != nil || len(reply.Answer) == 0 {
			t.Errorf("the answer is %v, %v", reply, err)
		}
		if !askOnce(t, u) {
			t.Error("there is no answer over TCP")
		}
		if _, _, err := parts.Get(ctx, u.URL("/metrics")); err != nil {
			t.Error(err)
		}
		for _, command := range [][]string{{"drain", "ams", "--for", "1h", "--reason", "a test", "--yes"}, {"undrain", "ams"}, {"plan", u.path}, {"status"}} {
			if out, err := u.command(ctx, command...); err != nil {
				t.Errorf("%v: %v: %s", command, err, out)
			}
		}
	}
	lived(ctx)
	text, err := os.ReadFile(u.path)
	must(t, err)
	parts.Replace(t, u.path, string(text)+"\n[zones.\"gslb.example.com\".names.more]\npools = [\"nyc\"]\n")
	must(t, parts.Until(ctx, "the changed configuration is used", func(ctx context.Context) error {
		reply, err := parts.Dig(ctx, u.setup.Listen, "more.gslb.example.com.", "A")
		if err == nil && len(reply.Answer) == 0 {
			err = errors.New("there is no answer")
		}
		return err
	}))
	if out, err := u.upgrade(ctx); err != nil {
		t.Fatalf("upgrade: %v: %s", err, out)
	}
	lived(ctx)
	pid, err := strconv.Atoi(hear("MAINPID="))
	must(t, err)
	hear("WATCHDOG=1")
	must(t, syscall.Kill(pid, syscall.SIGTERM)) // it alone: with the leader of the part all others of it are killed
	hear("STOPPING=1")
	must(t, parts.Until(ctx, "the server ends", func(context.Context) error {
		log, err := u.Log()
		if err == nil && !strings.Contains(log, `"msg":"stopped"`) {
			err = errors.New("it does not say so")
		}
		return err
	}))
	log, err := u.Log()
	must(t, err)
	if strings.Contains(log, "SIGSYS") {
		t.Errorf("the log says:\n%s", log)
	}
}

// TestSystemCallsAreHeldBack leaves out one call, so that the test above is known to be able to fail.
func TestSystemCallsAreHeldBack(t *testing.T) {
	beside(t)
	calls := documentedCalls(t)
	without := slices.DeleteFunc(slices.Clone(calls), func(name string) bool { return name == "openat" })
	for _, test := range []struct {
		calls []string
		works bool
	}{{calls, true}, {without, false}} {
		self, err := os.Executable()
		must(t, err)
		cmd := exec.Command(self, "version")
		cmd.Env = append(os.Environ(), confinedVar+"="+filepath.Join(rootOf(t), "bin", "gslb"), callsVar+"="+strings.Join(numbersOf(t, test.calls), " "))
		out, err := cmd.CombinedOutput()
		if works := err == nil; works != test.works || !works && !strings.Contains(fmt.Sprint(err, string(out)), "bad system call") {
			t.Errorf("with %d calls: %v: %s", len(test.calls), err, out)
		}
	}
}

// TestSystemCallsInDocs compares what docs/operations.md has an administrator copy with deploy/seccomp.json.
func TestSystemCallsInDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(rootOf(t), "docs", "operations.md"))
	must(t, err)
	block := regexp.MustCompile(`(?ms)^SystemCallFilter=$(.*?)^` + "```").FindStringSubmatch(string(text))
	if block == nil {
		t.Fatal("docs/operations.md has no list of system calls")
	}
	listed := strings.Fields(strings.ReplaceAll(block[1], "SystemCallFilter=", " "))
	if !slices.Equal(listed, documentedCalls(t)) {
		t.Errorf("docs/operations.md lists\n%v\nand deploy/seccomp.json\n%v", listed, documentedCalls(t))
	}
}
