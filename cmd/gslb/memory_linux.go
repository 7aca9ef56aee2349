package main

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// freeMemory is how much memory this process could still take, in bytes: what the host has, and
// what the control groups that it is in leave it. 0: not known.
func freeMemory() uint64 { return freeMemoryIn(os.DirFS("/")) }

func freeMemoryIn(root fs.FS) uint64 {
	free := available(root)
	for group := range groups(root) {
		limit, limited := readNumber(root, path.Join(group, "memory.max"))
		used, _ := readNumber(root, path.Join(group, "memory.current"))
		if limited {
			free = min(free, limit-min(used, limit))
		}
	}
	return free
}

// available is the host's memory that is free or can be freed (proc_meminfo(5)).
func available(root fs.FS) uint64 {
	const key, unit = "MemAvailable:", 1 << 10
	for line := range lines(root, "proc/meminfo") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			return kib * unit
		}
	}
	return 0
}

// groups yields the folders of the control group (version 2) that the process is in, and of all
// that this one is in. In a container, that is the root alone.
func groups(root fs.FS) func(yield func(string) bool) {
	const mount, prefix = "sys/fs/cgroup", "0::/"
	return func(yield func(string) bool) {
		group := ""
		for line := range lines(root, "proc/self/cgroup") {
			if own, found := strings.CutPrefix(line, prefix); found {
				group = path.Clean("/" + own)[1:]
			}
		}
		for ; yield(path.Join(mount, group)) && group != ""; group = strings.TrimPrefix(path.Dir(group), ".") {
		}
	}
}

// lines yields the lines of a file; none if it cannot be read.
func lines(root fs.FS, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		file, err := root.Open(name)
		if err != nil {
			return
		}
		defer file.Close()
		for scanner := bufio.NewScanner(file); scanner.Scan() && yield(scanner.Text()); {
		}
	}
}

// readNumber reads a file of one number; "max" is none.
func readNumber(root fs.FS, name string) (n uint64, ok bool) {
	for line := range lines(root, name) {
		n, err := strconv.ParseUint(line, 10, 64)
		return n, err == nil && n < math.MaxInt64
	}
	return 0, false
}
