package daemon

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

func TestBehindQueries(t *testing.T) {
	priority := func() int {
		// The system call returns 20 less the nice value (getpriority(2)).
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			t.Fatal(err)
		}
		return 20 - raw
	}
	before, during := priority(), 0
	behindQueries(func() { during = priority() })
	if during <= before {
		t.Errorf("nice value %d, want more than %d", during, before)
	}
	if after := priority(); after != before {
		t.Errorf("afterwards %d, was %d", after, before)
	}
}

// collections is how many there have been.
func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}

// litter leaves so many MiB of garbage.
func litter(mebibytes int) {
	for range mebibytes {
		garbage = make([]byte, 1<<20)
	}
}

var garbage []byte

func TestPostponeCollection(t *testing.T) {
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	runtime.GC()

	resume := postponeCollection(1 << 30)
	began := collections()
	litter(100)
	if n := collections() - began; n > 0 {
		t.Errorf("%d collections, of 100 MiB with room for 1 GiB", n)
	}
	resume()
	litter(100)
	if collections() == began {
		t.Error("no collection afterwards")
	}

	resume = postponeCollection(10 << 20)
	began = collections()
	for end := time.Now().Add(10 * time.Second); collections() == began && time.Now().Before(end); {
		litter(5)
		time.Sleep(time.Millisecond)
	}
	if collections() == began {
		t.Error("no collection once the room was used")
	}
	resume()
	if percent := debug.SetGCPercent(50); percent != 50 {
		t.Errorf("afterwards, a collection comes at %d %%", percent)
	}
}

func TestFreeMemory(t *testing.T) {
	const meminfo, own = "MemTotal:  2000 kB\nMemFree:  10 kB\nMemAvailable:   1000 kB\n", "1:name=systemd:/x\n0::/system.slice/gslb.service\n"
	const slice, service = "sys/fs/cgroup/system.slice/", "sys/fs/cgroup/system.slice/gslb.service/"
	for name, test := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"nothing is known":   {nil, 0},
		"the host's":         {map[string]string{"proc/meminfo": meminfo}, 1000 << 10},
		"no limit":           {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": own, service + "memory.max": "max\n"}, 1000 << 10},
		"the group's":        {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": own, service + "memory.max": "5000\n", service + "memory.current": "2000\n"}, 3000},
		"a group's above":    {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": own, slice + "memory.max": "5000\n", service + "memory.max": "9000\n"}, 5000},
		"in a container":     {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "700\n", "sys/fs/cgroup/memory.current": "100\n"}, 600},
		"above the limit":    {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "700\n", "sys/fs/cgroup/memory.current": "800\n"}, 0},
		"more than there is": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": own, service + "memory.max": "90000000\n"}, 1000 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for file, content := range test.files {
				root[file] = &fstest.MapFile{Data: []byte(content)}
			}
			if got := freeMemoryIn(root); got != test.want {
				t.Errorf("%d bytes, want %d", got, test.want)
			}
		})
	}
	if free := freeMemory(); free < 1<<20 || free > 1<<50 {
		t.Errorf("here there are %d bytes", free)
	}
}
