package parts

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// allowed are the processors that a process may run on; 0: this one.
func allowed(t *testing.T, pid int) []int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		t.Fatal(err)
	}
	var processors []int
	for p := range len(set) * 64 {
		if set.IsSet(p) {
			processors = append(processors, p)
		}
	}
	return processors
}

func TestBind(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	all := allowed(t, 0)
	one := all[len(all)-1:]
	lab.Bind(one...)
	bound := mustStart(t, lab, "bound", family)
	lab.Bind()
	free := mustStart(t, lab, "free", family)

	for part, want := range map[*Part][]int{bound: one, free: all} {
		for _, s := range living(part.current().group) {
			if got := allowed(t, s.pid); !slices.Equal(got, want) {
				t.Errorf("%s: process %d may run on %v, want %v", part.Name(), s.pid, got, want)
			}
		}
	}
	if got := allowed(t, 0); !slices.Equal(got, all) {
		t.Errorf("this program may run on %v, before on %v", got, all)
	}
}

func TestBindToNothing(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	lab.Bind(1000)
	if _, err := startScript(t, lab, "nowhere", family); err == nil || !strings.Contains(err.Error(), "processors [1000]") {
		t.Errorf("a part that is bound to no processor there is: %v, want an error that says so", err)
	}
}

// TestMemory compares the memory of a part with what its processes have resident: never more,
// and of two copies of a shell less, since they share its text.
func TestMemory(t *testing.T) {
	checkLeaks(t)
	part := mustStart(t, ForTest(t), "family", family)
	usage, err := part.Usage()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := part.Memory()
	if err != nil || memory < 100<<10 || memory >= usage.Resident {
		t.Errorf("Memory() = %d, %v; want less than %d, and some", memory, err, usage.Resident)
	}
	part.Kill()
	if _, err := part.Memory(); err == nil {
		t.Error("Memory() of a part that is gone = nil, want an error")
	}
}

// TestUsageDivides has one part compute, and another have the kernel copy.
func TestUsageDivides(t *testing.T) {
	checkLeaks(t)
	lab := ForTest(t)
	computing := mustStart(t, lab, "computing", "echo ready; while :; do :; done")
	copying := mustStart(t, lab, "copying", "echo ready; exec dd if=/dev/zero of=/dev/null bs=1M")
	for _, test := range []struct {
		part *Part
		more func(Usage) bool
	}{
		{computing, func(u Usage) bool { return u.User > u.System }},
		{copying, func(u Usage) bool { return u.System > u.User }},
	} {
		if err := Until(within(t), "it has used some time", func(context.Context) error {
			u, err := test.part.Usage()
			if err == nil && (u.CPU() < clockTick*20 || u.CPU() != u.User+u.System || !test.more(u)) {
				err = fmt.Errorf("%+v", u)
			}
			return err
		}); err != nil {
			t.Errorf("%s: %v", test.part.Name(), err)
		}
		test.part.Kill()
	}
}

func TestOutput(t *testing.T) {
	out, err := Output(t.Context(), "sh", "-c", "echo out; echo err >&2; exit 3")
	if out != "out\nerr\n" || err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Output() = %q, %v; want both streams, and the status", out, err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Output(t.Context(), "gslb-no-such-program"); err == nil {
		t.Error("a program that is not there was run")
	}
}
