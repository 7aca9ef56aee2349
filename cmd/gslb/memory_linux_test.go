package main

import (
	"testing"
	"testing/fstest"
)

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
