package parts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stat is what /proc/PID/stat says of one process. See proc_pid_stat(5).
type stat struct {
	pid   int
	name  string
	state byte // 'R' running, 'S' sleeping, 'T' halted, 'Z' zombie, …
	group int
	cpu   time.Duration // user and system time
	rss   int64         // resident memory in bytes
}

// clockTick is the unit of the times in /proc: USER_HZ is 100 on every architecture that
// Go runs on.
const clockTick = time.Second / 100

func readStat(pid int) (stat, error) {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	// The name is in parentheses and may hold anything, parentheses too.
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("process %d: its stat has no name: %q", pid, line)
	}
	const state, group, utime, stime, rss = 0, 2, 11, 12, 21 // the fields after the name
	fields := strings.Fields(string(line[end+1:]))
	if len(fields) <= rss {
		return stat{}, fmt.Errorf("process %d: its stat is too short: %q", pid, line)
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(fields[field], 10, 64)
		return n
	}
	return stat{
		pid:   pid,
		name:  string(line[open+1 : end]),
		state: fields[state][0],
		group: int(number(group)),
		cpu:   time.Duration(number(utime)+number(stime)) * clockTick,
		rss:   number(rss) * int64(os.Getpagesize()),
	}, nil
}

// processes returns the processes that run now, without zombies.
func processes() []stat {
	entries, _ := os.ReadDir("/proc")
	var all []stat
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// One that cannot be read has just ended.
		if s, err := readStat(pid); err == nil && s.state != 'Z' {
			all = append(all, s)
		}
	}
	return all
}

// living returns the processes of a group, without zombies.
func living(group int) []stat {
	var members []stat
	for _, s := range processes() {
		if s.group == group {
			members = append(members, s)
		}
	}
	return members
}

// Usage is what a part uses of the machine, all its processes together.
type Usage struct {
	Resident  int64         // memory in bytes; what processes share counts for each
	CPU       time.Duration // since the part was started, to a hundredth of a second
	Processes int
}

// Usage returns what the part uses now.
func (p *Part) Usage() (Usage, error) {
	process := p.current()
	if !process.running() {
		return Usage{}, fmt.Errorf("%s: it is not running", p.Name())
	}
	var usage Usage
	for _, s := range living(process.group) {
		usage.Resident += s.rss
		usage.CPU += s.cpu
		usage.Processes++
	}
	return usage, nil
}
