package parts

import (
	"bytes"
	"errors"
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
	user  time.Duration
	sys   time.Duration
	rss   int64 // resident memory in bytes
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
		user:  time.Duration(number(utime)) * clockTick,
		sys:   time.Duration(number(stime)) * clockTick,
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
	Resident  int64         // memory in bytes; what processes share counts for each, see Memory
	User      time.Duration // since the part was started, to a hundredth of a second
	System    time.Duration // the same, for what the kernel did on its behalf
	Processes int
}

// CPU is user and system time together.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// Usage returns what the part uses now.
func (p *Part) Usage() (Usage, error) {
	process := p.current()
	if !process.running() {
		return Usage{}, fmt.Errorf("%s: it is not running", p.Name())
	}
	var usage Usage
	for _, s := range living(process.group) {
		usage.Resident += s.rss
		usage.User += s.user
		usage.System += s.sys
		usage.Processes++
	}
	return usage, nil
}

// Memory returns the part's resident memory in bytes, all its processes together. What
// several processes share is divided among them (proc_pid_smaps(5) calls it Pss), so that
// nothing counts twice in a server that forks.
func (p *Part) Memory() (int64, error) {
	process := p.current()
	if !process.running() {
		return 0, fmt.Errorf("%s: it is not running", p.Name())
	}
	var sum int64
	for _, s := range living(process.group) {
		pss, err := readPss(s.pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.Name(), err)
		}
		sum += pss
	}
	return sum, nil
}

// readPss reads the sum over all mappings of a process.
func readPss(pid int) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			kibibytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kibibytes << 10, err
		}
	}
	return 0, errors.New("its smaps_rollup has no Pss")
}
