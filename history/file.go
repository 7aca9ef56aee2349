package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gslb/health"
	"gslb/internal/files"
)

const (
	fileName    = "history.json"
	fileVersion = 1
	largestFile = 64 << 20
	mostPools   = 100_000
)

// Past is what one run leaves to the next. The zero value is nothing.
type Past struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`    // when it was saved
	Place   int64     `json:"place"` // the same on the line of time; milliseconds, as all that follows
	Pools   []kept    `json:"pools"`
}

// kept is what is kept of a pool. Slots and days that are left out are of a time in which it was up, or
// before it began.
type kept struct {
	Pool  string        `json:"pool"`
	Since int64         `json:"since"`
	At    int64         `json:"until"`
	Known health.Status `json:"known"`
	Slots []keptPart    `json:"slots,omitempty"`
	Days  []keptPart    `json:"days,omitempty"`
	// Spark is the median latency of each minute of the hour that ends with the place, the oldest first, in
	// microseconds; negative: there was none. It is left out if there is none at all.
	Spark []int64 `json:"spark,omitempty"`
}

// keptPart is the number of a part, how long it was down and unknown, and how often it turned.
type keptPart [4]int64

// file is where a book is kept.
type file struct {
	*files.Kept // nil: nowhere
	dir         string
	hold        func() error
	writes      files.Progress
}

func newFile(dir string, hold func() error) *file {
	f := &file{dir: dir, hold: hold}
	if dir != "" {
		f.Kept = files.Keep(filepath.Join(dir, fileName))
	}
	return f
}

// Read reads what the runs before have left in a directory; nothing, if there is no file, or with an error.
// A file that can't be used is set aside.
func Read(dir string) (Past, error) {
	if dir == "" {
		return Past{}, nil
	}
	path := filepath.Join(dir, fileName)
	files.RemoveLeftovers(path, 0)
	data, err := files.Read(path, largestFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return Past{}, nil
	}
	var p Past
	if err == nil {
		p, err = parse(data)
	}
	if err == nil {
		return p, nil
	}
	return Past{}, fmt.Errorf("history: %w", files.SetAside(path, err))
}

// parse reads the content of a file.
func parse(data []byte) (p Past, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return Past{}, fmt.Errorf("it is damaged, or of another version of gslb: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Past{}, errors.New("it is damaged: something follows its end")
	}
	if p.Version != fileVersion {
		return Past{}, fmt.Errorf("it has version %d, and this gslb reads version %d", p.Version, fileVersion)
	}
	if err := p.check(); err != nil {
		return Past{}, fmt.Errorf("it is damaged: %w", err)
	}
	return p, nil
}

// check reports what no run can have left.
func (p *Past) check() error {
	const most = int64(100 * 365 * dayTime / time.Millisecond)
	first := begin.Milliseconds()
	if p.Place < first || p.Place > most {
		return fmt.Errorf("its place is %d, must be from %d to %d", p.Place, first, most)
	}
	if len(p.Pools) > mostPools {
		return fmt.Errorf("it has %d pools, and there are at most %d", len(p.Pools), mostPools)
	}
	seen := make(map[string]bool, len(p.Pools))
	for i := range p.Pools {
		k := &p.Pools[i]
		if seen[k.Pool] {
			return fmt.Errorf("pool %q is there twice", k.Pool)
		}
		seen[k.Pool] = true
		if k.Since < first || k.Since > k.At || k.At > p.Place {
			return fmt.Errorf("pool %q is from %d to %d, must lie between %d and %d", k.Pool, k.Since, k.At, first, p.Place)
		}
		if len(k.Spark) != 0 && len(k.Spark) != Sparks {
			return fmt.Errorf("pool %q has latencies of %d minutes, want %d", k.Pool, len(k.Spark), Sparks)
		}
		if err := errors.Join(checkParts(k.Slots, Slots, SlotTime, k.At), checkParts(k.Days, KeptDays, dayTime, k.At)); err != nil {
			return fmt.Errorf("pool %q: %w", k.Pool, err)
		}
	}
	return nil
}

// checkParts reports parts of a length that can't be among the last so many up to a place.
func checkParts(parts []keptPart, most int, length time.Duration, at int64) error {
	last := number(time.Duration(at)*time.Millisecond, length)
	before := int64(last - most)
	for _, part := range parts {
		n, down, unknown, turns := part[0], part[1], part[2], part[3]
		if n <= before || n > int64(last) {
			return fmt.Errorf("part %d is out of order, or does not follow %d up to %d", n, before, last)
		}
		before = n
		if down < 0 || unknown < 0 || turns < 0 || turns > 1<<31 || down > length.Milliseconds() || unknown > length.Milliseconds()-down {
			return fmt.Errorf("part %d was down for %d and unknown for %d ms of %s, and turned %d times", n, down, unknown, length, turns)
		}
	}
	return nil
}

// restore is the line of time and the pools of a run that begins now.
func (p *Past) restore(now time.Time) (origin time.Time, pasts map[string]*entry) {
	pasts = make(map[string]*entry, len(p.Pools))
	wall := now.Round(0).UTC()
	if p.Version == 0 {
		return now.Add(-begin - wall.Sub(wall.Truncate(dayTime))), pasts
	}
	saved := time.Duration(p.Place) * time.Millisecond
	// Of what is longer ago than the days that are kept nothing will be known, however long it is.
	pause := min(max(0, wall.Sub(p.At)), (KeptDays+1)*dayTime)
	for i := range p.Pools {
		pasts[p.Pools[i].Pool] = p.Pools[i].entry(saved)
	}
	return now.Add(-saved - pause), pasts
}

// entry is that of a pool which is not in the configuration yet.
func (k *kept) entry(saved time.Duration) *entry {
	e := &entry{
		past{
			known: k.Known, gone: true, since: time.Duration(k.Since) * time.Millisecond, at: time.Duration(k.At) * time.Millisecond,
			slots: restoreParts(k.Slots), days: restoreParts(k.Days),
		},
		newLatency(),
	}
	if len(k.Spark) > 0 {
		e.minute = number(saved, SparkTime)
		for i, us := range k.Spark[:Sparks-1] { // of the last minute, the rest is to come
			if us >= 0 {
				e.spark[(e.minute+i)%len(e.spark)] = micros(min(us, time.Hour.Microseconds()))
			}
		}
	}
	return e
}

func restoreParts(kept []keptPart) parts {
	var list parts
	for _, k := range kept {
		list = append(list, part{number: int32(k[0]), down: millis(k[1]), unknown: millis(k[2]), turns: uint32(k[3])})
	}
	return list
}

// draft is what to save now.
func (b *Book) draft() Past {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	at := b.place(now)
	b.forget(at)
	p := Past{Version: fileVersion, At: now.Round(0).UTC(), Place: at.Milliseconds(), Pools: make([]kept, 0, len(b.pasts))}
	for name, e := range b.pasts {
		if !e.gone {
			e.goOn(at)
		}
		k := kept{Pool: name, Since: e.since.Milliseconds(), At: min(e.past.at, at).Milliseconds(), Known: e.known}
		k.Slots, k.Days = e.slots.keep(), e.days.keep()
		k.Spark = e.latency.keep(at)
		p.Pools = append(p.Pools, k)
	}
	slices.SortFunc(p.Pools, func(a, b kept) int { return strings.Compare(a.Pool, b.Pool) })
	return p
}

// keep is the parts as a file has them.
func (l parts) keep() (list []keptPart) {
	for _, p := range l {
		list = append(list, keptPart{int64(p.number), int64(p.down), int64(p.unknown), int64(p.turns)})
	}
	return list
}

// keep is the spark line that ends at a place; nil: nothing was measured.
func (l *latency) keep(at time.Duration) []int64 {
	var r Report
	l.report(&r, at)
	list, any := make([]int64, Sparks), false
	for i, took := range r.Spark {
		if list[i] = -1; took >= 0 {
			list[i], any = took.Microseconds(), true
		}
	}
	if !any {
		return nil
	}
	return list
}

const (
	saveEvery = 5 * time.Minute
	saveAfter = 10 * time.Second // a change of a status
)

// Run saves what is kept now and then until ctx ends, and then once more.
func (b *Book) Run(ctx context.Context) error {
	next := time.NewTimer(saveEvery)
	defer next.Stop()
	aliases := time.NewTicker(saveAfter)
	defer aliases.Stop()
	soon := false // next is set for a change
	for {
		select {
		case <-ctx.Done():
			b.save()
			return nil
		case <-aliases.C:
			b.reassign()
		case <-b.soon:
			if !soon { // a stream of changes must not delay it for ever
				next.Reset(saveAfter)
				soon = true
			}
		case <-next.C:
			soon = false
			if b.save(); b.Err() != nil {
				next.Reset(saveAfter)
			} else {
				next.Reset(saveEvery)
			}
		}
	}
}

// save logs once when saving begins to fail, and once when it works again.
func (b *Book) save() {
	if b.file.Kept == nil {
		return
	}
	before, err := b.file.writes.Write(func() error { return b.file.write(b.draft()) })
	switch {
	case err != nil:
		b.failures.Inc()
		if before == nil {
			b.logger.Error("the past of the pools is not saved: after a restart, a part of it will be missing", "state_dir", b.file.dir, "error", err)
		}
	case before != nil:
		b.logger.Info("the past of the pools is saved again", "state_dir", b.file.dir)
	}
}

// Err is why the past is not saved; nil: it is.
func (b *Book) Err() error { return b.file.writes.Err() }

func (f *file) write(p Past) error {
	if f.hold != nil {
		if err := f.hold(); err != nil {
			return err
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return f.Save(append(data, '\n'))
}
