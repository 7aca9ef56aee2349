package override

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/internal/files"
)

// Options is what a Book needs.
type Options struct {
	Dir string // where the file is; empty: overrides end with the process
	// Hold makes sure that no other process uses Dir. It is called before each write; nil: it is so.
	Hold       func() error
	Now        func() time.Time // the wall clock; nil: time.Now
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	disk disk // nil: the operating system's
}

// Book keeps the overrides that are in force, also over a restart. It is safe for concurrent use.
//
// A change is acknowledged when it would survive a crash, and has no effect before. An override ends
// when the wall clock says so, whether the disk responds or not: what the file says of it has run out
// for the next start too.
type Book struct {
	file    file // of the goroutine that has the turn
	now     func() time.Time
	logger  *slog.Logger
	changed chan struct{} // capacity 1: Take has something new
	sooner  chan struct{} // capacity 1: for Run, something may be due sooner
	turn    chan struct{} // capacity 1: has a token while a goroutine uses the disk
	writes  files.Progress

	mu       sync.Mutex
	list     map[string]Override // in force, by ID
	words    *Words              // list
	due      time.Time           // the first end or planned move to come; zero: there is none
	untold   []Change
	revision int       // of list
	written  int       // the revision that the file has; 0: not known
	unread   bool      // the disk has not responded yet since the start
	asides   []aside   // of file
	retry    time.Time // when a write that failed is tried again
	failing  error     // why the last one of Run has failed; nil: it has not
	recheck  time.Time // when the file and asides are looked at again
	away     bool      // another process keeps them: see Suspend
}

const (
	diskWait  = 5 * time.Second        // how long a change or a start waits for the disk
	lookEvery = 500 * time.Millisecond // for a clock that was set
	retryIn   = 10 * time.Second
	logged    = 20 // overrides, one by one
)

// ErrDisk is wrapped by the error of a change that was not made since it could not be kept.
var ErrDisk = errors.New("the override cannot be kept in state_dir")

// ErrOther is the error of [Book.Advance] if what it is to replace is not in force.
var ErrOther = errors.New("another override is in force")

// ErrAway is the error of a change while another process is about to keep the overrides.
var ErrAway = errors.New("this server is being upgraded: try again in a few seconds")

// ErrFull is wrapped by the error for an override too many.
var ErrFull = errors.New("there are too many overrides")

// Open reads the overrides of the run before. It never fails: a file that can't be used is set aside,
// which SetAside says. If the disk does not respond, there are none until it does.
func Open(o Options) *Book {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.disk == nil {
		o.disk = osDisk{}
	}
	b := &Book{
		file: newFile(o), now: func() time.Time { return o.Now().Round(0) }, logger: o.Logger,
		changed: make(chan struct{}, 1), sooner: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		list: make(map[string]Override), words: NewWords(nil), revision: 1, written: 1,
	}
	o.Registerer.MustRegister(collector{b})
	if !b.Kept() {
		return b
	}
	b.unread = true
	b.turn <- struct{}{}
	read := make(chan struct{})
	go func() {
		b.restore()
		close(read)
		<-b.turn
	}()
	select {
	case <-read:
	case <-time.After(diskWait):
		b.logger.Error("starting without the overrides of the run before, until the disk responds", "file", b.file.path)
	}
	return b
}

// restore takes into force what the file has.
func (b *Book) restore() {
	list := b.file.load()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unread, b.asides = false, slices.Clone(b.file.asides)
	for _, a := range b.asides {
		b.logger.Error("overrides of an earlier run are not in force, since their file cannot be used: set again what is still wanted, then remove the file", "file", a.path, "error", a.cause)
	}
	for _, o := range list {
		b.list[o.ID()] = o
	}
	b.renew()
	b.written = b.revision
	b.expire()
	all := b.words.All()
	if len(all) > logged {
		b.logger.Warn("overrides are in force; some of them follow", "overrides", len(all))
	}
	for i := range all[:min(logged, len(all))] {
		o := &all[i]
		b.logger.Warn("an override is in force", "override", o.ID(), "reason", o.Reason, "by", o.By, "since", o.Since, "until", o.ends())
	}
}

// ends says when an override ends, for the log.
func (o *Override) ends() string {
	if o.Until.IsZero() {
		return "never"
	}
	return o.Until.UTC().Format(time.RFC3339)
}

// Kept reports whether overrides survive the end of the process.
func (b *Book) Kept() bool { return b.file.path != "" }

// Changed receives when Take has something new.
func (b *Book) Changed() <-chan struct{} { return b.changed }

// Take is what is in force, and what has changed since the last Take. There is one caller.
func (b *Book) Take() (*Words, []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	changes := b.untold
	b.untold = nil
	return b.words, changes
}

// Words is what is in force.
func (b *Book) Words() *Words {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	return b.words
}

// Put takes an override into force, in place of one with its ID. It returns when it would survive a
// crash, or with an error after a few seconds; then nothing has changed.
func (b *Book) Put(ctx context.Context, o Override) error {
	o.Since, o.Until = o.Since.Round(0), o.Until.Round(0)
	if err := o.Check(); err != nil {
		return err
	}
	_, err := b.change(ctx, true, func(list map[string]Override) []Change {
		list[o.ID()] = o
		return []Change{{Override: o, By: o.By, Why: o.Reason, At: b.now()}}
	})
	return err
}

// Advance takes an override into force in place of was, which has its ID: it is the same word, only how far it
// has come is another, so that nobody is told of a change. It fails with [ErrOther] if another is in force. In
// all else it is like Put.
func (b *Book) Advance(ctx context.Context, was, o *Override) error {
	if err := o.Check(); err != nil {
		return err
	}
	changes, err := b.change(ctx, false, func(list map[string]Override) []Change {
		if now, is := list[o.ID()]; !is || !now.Equal(was) {
			return nil
		}
		list[o.ID()] = *o
		return []Change{{Override: *o}}
	})
	if err == nil && len(changes) == 0 {
		return ErrOther
	}
	return err
}

// Remove takes back the overrides with these IDs, those that there are, which it returns. In all else
// it is like Put.
func (b *Book) Remove(ctx context.Context, ids []string, by, why string) ([]Override, error) {
	changes, err := b.change(ctx, true, func(list map[string]Override) []Change {
		var gone []Change
		for _, id := range ids {
			if o, is := list[id]; is {
				delete(list, id)
				gone = append(gone, Change{Override: o, Gone: true, By: by, Why: why, At: b.now()})
			}
		}
		return gone
	})
	removed := make([]Override, len(changes))
	for i := range changes {
		removed[i] = changes[i].Override
	}
	return removed, err
}

// change makes a change of the list, in the file and then here. edit is called for both. The changes are told
// by Take, or are not.
func (b *Book) change(ctx context.Context, told bool, edit func(map[string]Override) []Change) ([]Change, error) {
	late := time.NewTimer(diskWait)
	defer late.Stop()
	select {
	case b.turn <- struct{}{}:
	case <-late.C:
		return nil, fmt.Errorf("%w: the disk of %s does not respond", ErrDisk, b.file.path)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.isAway() {
		<-b.turn
		return nil, ErrAway
	}
	next, revision := b.copy()
	if len(edit(next)) == 0 {
		<-b.turn
		return nil, nil
	}
	if len(next) > most {
		<-b.turn
		return nil, fmt.Errorf("%w: %d already; take some back first (gslb overrides)", ErrFull, most)
	}
	done := make(chan error, 1)
	go func() { done <- b.save(next) }()
	select {
	case err := <-done:
		defer func() { <-b.turn }()
		if err != nil {
			b.doubt()
			return nil, fmt.Errorf("%w: %w", ErrDisk, err)
		}
		return b.commit(told, edit, revision), nil
	case <-late.C:
		go func() { // the file may yet say what was refused here
			<-done
			b.doubt()
			<-b.turn
		}()
		return nil, fmt.Errorf("%w: the disk of %s does not respond", ErrDisk, b.file.path)
	}
}

// Suspend ends all writing, once what is under way has come to its end: changes are refused, until Resume. What
// is in force stays so.
func (b *Book) Suspend(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("the disk of %s does not respond: %w", b.file.path, ctx.Err())
	}
	defer func() { <-b.turn }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = true
	return nil
}

// Resume takes changes again.
func (b *Book) Resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away, b.written = false, 0 // the other process may have written
}

func (b *Book) isAway() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.away
}

// commit makes a change here that is in the file, where it was made of some revision of the list.
func (b *Book) commit(told bool, edit func(map[string]Override) []Change, of int) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	changes := edit(b.list)
	if told {
		b.untold = append(b.untold, changes...)
	}
	b.renew()
	b.asides = slices.Clone(b.file.asides)
	b.written = of + 1 // which is not b.revision if something has ended meanwhile
	b.recovered()
	return changes
}

// recovered notes that the file could be written. The caller has the lock.
func (b *Book) recovered() {
	if b.failing != nil {
		b.logger.Info("the file of overrides is up to date again", "file", b.file.path)
	}
	b.failing = nil
}

// copy is the list, and its revision.
func (b *Book) copy() (map[string]Override, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	return maps.Clone(b.list), b.revision
}

// doubt says that nobody knows what the file has.
func (b *Book) doubt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written = 0
	b.asides = slices.Clone(b.file.asides)
}

// expire ends what has run out. The caller has the lock, here and below.
func (b *Book) expire() {
	now := b.now()
	if b.due.IsZero() || now.Before(b.due) {
		return
	}
	for i := range b.words.All() {
		if o := b.words.All()[i]; !o.InForce(now) {
			delete(b.list, o.ID())
			b.untold = append(b.untold, Change{Override: o, Gone: true, Why: Expired, At: now})
		}
	}
	b.renew()
}

// renew makes of the list what others see.
func (b *Book) renew() {
	now := b.now()
	b.words, b.due = NewWords(slices.Collect(maps.Values(b.list))), time.Time{}
	for _, o := range b.list {
		b.await(o.Until)
		if o.Switch != nil && now.Before(o.Switch.Move) {
			b.await(o.Switch.Move)
		}
	}
	b.revision++
	signal(b.changed)
	signal(b.sooner)
}

func (b *Book) await(at time.Time) {
	if b.due.IsZero() || !at.IsZero() && at.Before(b.due) {
		b.due = at
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Run ends overrides when their time has come, until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.sooner:
		case <-timer.C:
		}
		timer.Reset(b.look())
	}
}

// look does what is due, and returns after how long to look again. It is often, since a timer does not
// notice that the clock was set.
func (b *Book) look() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	b.tidy()
	if b.due.IsZero() {
		return lookEvery
	}
	return max(time.Millisecond, min(lookEvery, b.due.Sub(b.now())))
}

// tidy begins to write the list, unless the file has it, and to look whether somebody else has removed or
// changed the file, and which files that were set aside are still there. It does nothing while the disk is
// used.
func (b *Book) tidy() {
	if b.away {
		return
	}
	now := time.Now()
	write := b.written != b.revision && !now.Before(b.retry)
	check := b.Kept() && !b.unread && !now.Before(b.recheck)
	if !write && !check {
		return
	}
	select {
	case b.turn <- struct{}{}:
	default:
		return
	}
	b.recheck = now.Add(retryIn)
	list, revision := maps.Clone(b.list), b.revision
	go func() {
		defer func() { <-b.turn }()
		_, err := b.writes.Write(func() error { // all that touches the disk, which may not respond
			defer b.file.forget()
			if !write && !b.file.isIntact() {
				b.logger.Warn("the file of overrides was removed or changed by somebody else, and is written again: end overrides by command", "file", b.file.path, "overrides", len(list))
				write = true
			}
			if !write {
				return nil
			}
			return b.file.save(list)
		})
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asides = slices.Clone(b.file.asides)
		switch {
		case err != nil:
			b.retry, b.written = time.Now().Add(retryIn), 0
			if b.failing == nil {
				b.logger.Error("the file of overrides is not up to date: a restart may have others in force", "file", b.file.path, "error", err)
			}
			b.failing = err
		case write:
			b.written = revision
			b.recovered()
		}
	}()
}

// Err is why the file does not have what is in force; nil: it does.
func (b *Book) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cmp.Or(b.failing, b.writes.Err())
}

// save replaces the file, and notes how that goes.
func (b *Book) save(list map[string]Override) error {
	_, err := b.writes.Write(func() error { return b.file.save(list) })
	return err
}

// SetAside is the files of overrides of an earlier run that could not be read, and are not in force. One
// is among them until it is removed.
func (b *Book) SetAside() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var paths []string
	if b.unread {
		paths = append(paths, b.file.path)
	}
	for _, a := range b.asides {
		paths = append(paths, a.path)
	}
	return paths
}

// Notes says for people, a line each, which overrides are not in force, and what to do.
func (b *Book) Notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	if b.unread {
		lines = append(lines, fmt.Sprintf("the overrides of the run before are not in force yet: the disk of %s does not respond", b.file.path))
	}
	for _, a := range b.asides {
		lines = append(lines, fmt.Sprintf("overrides of an earlier run are not in force (%s): set again what is still wanted, then remove %s", cmp.Or(a.cause, "their file was damaged"), a.path))
	}
	return lines
}

// collector makes the metrics of a Book.
type collector struct{ book *Book }

var (
	descOverrides  = prometheus.NewDesc("gslb_overrides", "Overrides that are in force.", []string{"kind"}, nil)
	descWithoutEnd = prometheus.NewDesc("gslb_overrides_without_end", "Overrides that are in force until a person takes them back.", nil, nil)
	descSetAside   = prometheus.NewDesc("gslb_overrides_set_aside", "Files of overrides that could not be read, so that these are not in force.", nil, nil)
)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descOverrides
	ch <- descWithoutEnd
	ch <- descSetAside
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	kinds, withoutEnd := map[Kind]int{Pin: 0, Drain: 0, Force: 0}, 0
	for _, o := range c.book.Words().All() {
		kinds[o.Kind]++
		if o.Until.IsZero() {
			withoutEnd++
		}
	}
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	for kind, count := range kinds {
		gauge(descOverrides, count, string(kind))
	}
	gauge(descWithoutEnd, withoutEnd)
	gauge(descSetAside, len(c.book.SetAside()))
}
