package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/health"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// world is a book, and the pools that are served.
type world struct {
	*Book
	t        testing.TB
	states   []*steer.PoolState
	log      bytes.Buffer
	registry *prometheus.Registry
}

func newWorld(t testing.TB, dir string) *world {
	t.Helper()
	past, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, registry: prometheus.NewRegistry()}
	w.Book = New(Options{
		Dir: dir, Past: past, Pools: func() []*steer.PoolState { return w.states },
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Registerer: w.registry,
	})
	return w
}

// use serves a configuration of pools, each with a target "web@NAME" and a member with "tcp@NAME".
func (w *world) use(pools ...string) {
	set := new(zones.Set)
	w.states = nil
	for i, name := range pools {
		pool := &zones.Pool{
			Index: i, Name: name, Targets: []health.TargetID{health.TargetID("web@" + name), "shared"},
			Members: []zones.Member{{Targets: []health.TargetID{health.TargetID("tcp@" + name)}}},
		}
		set.Pools = append(set.Pools, pool)
		w.states = append(w.states, &steer.PoolState{Pool: pool, Members: []steer.MemberState{{Member: pool.Members[0]}}})
	}
	set.Targets = []health.Target{{ID: "shared", Spec: &health.Calculated{Of: []health.TargetID{"a", "b"}}}}
	w.Notice([]publish.Event{{At: time.Now(), Config: set}})
}

// become changes the status of a pool.
func (w *world) become(pool string, status health.Status) {
	w.Notice([]publish.Event{{At: time.Now(), Pool: &publish.PoolChange{To: steer.PoolState{Pool: &zones.Pool{Name: pool}, Status: status}}}})
}

func (w *world) report(pool string) Report {
	w.t.Helper()
	for _, r := range w.Reports() {
		if r.Pool == pool {
			return r
		}
	}
	w.t.Fatalf("there is no pool %s", pool)
	return Report{}
}

// wants compares the day of a pool.
func (w *world) wants(pool string, want Downtime) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.report(pool).Day); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", pool, diff)
	}
}

// Times of which nothing ran are not known, and a pool that the configuration loses for a while keeps what it had.
func TestBookOverRestartsAndReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, dir)
		w.use("nyc", "ams")
		w.become("nyc", health.Up)
		time.Sleep(time.Hour)
		w.become("nyc", health.Down)
		time.Sleep(10 * time.Minute)
		w.become("nyc", health.Up)
		time.Sleep(time.Minute)
		w.wants("nyc", Downtime{Down: 10 * time.Minute, Known: 71 * time.Minute, Turns: 2})
		w.wants("ams", Downtime{})
		w.use("ams")
		if got := w.Reports(); len(got) != 1 {
			t.Errorf("%d pools, want ams alone", len(got))
		}
		time.Sleep(5 * time.Minute)
		w.use("nyc", "ams")
		time.Sleep(time.Minute)
		w.become("nyc", health.Up)
		time.Sleep(time.Minute)
		w.wants("nyc", Downtime{Down: 10 * time.Minute, Known: 72 * time.Minute, Turns: 2})
		w.save()

		time.Sleep(3 * time.Hour)
		w = newWorld(t, dir)
		w.use("nyc", "ams")
		w.wants("nyc", Downtime{Down: 10 * time.Minute, Known: 72 * time.Minute, Turns: 2})
		w.become("nyc", health.Down) // it turned while nothing ran
		time.Sleep(time.Minute)
		w.wants("nyc", Downtime{Down: 11 * time.Minute, Known: 73 * time.Minute, Turns: 3})
		if got := w.report("nyc").Month; got.Down != 11*time.Minute || got.Turns != 3 {
			t.Errorf("the month has %+v", got)
		}
		if slot := w.report("nyc").Strip()[Slots-3]; slot.Unknown != SlotTime {
			t.Errorf("while nothing ran: %+v", slot)
		}
		last := w.report("nyc").Strip()[Slots-1]
		if now := time.Now().UTC(); !last.Start.Equal(now.Truncate(SlotTime)) {
			t.Errorf("at %s, the last slot began at %s", now, last.Start)
		}
	})
}

// A start whose clock is behind the one of the run before goes on where that ended.
func TestClockSetBackBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, dir)
		w.use("nyc")
		w.become("nyc", health.Down)
		time.Sleep(time.Hour)
		w.save()
		past, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		past.At = past.At.AddDate(50, 0, 0)
		next := New(Options{Past: past, Pools: w.pools, Registerer: prometheus.NewRegistry()})
		w.Book = next
		w.use("nyc")
		w.become("nyc", health.Up)
		time.Sleep(time.Minute)
		w.wants("nyc", Downtime{Down: time.Hour, Known: 61 * time.Minute, Turns: 1})
	})
}

func TestProbesOfPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, dir)
		w.use("nyc", "ams")
		w.become("nyc", health.Up)
		probe := func(id string, spec health.Spec, v health.Verdict, took time.Duration) {
			w.Probed(&health.Target{ID: health.TargetID(id), Spec: spec}, v, time.Now().Add(-took), time.Now())
		}
		web, push := &health.TCP{}, &health.Push{}
		probe("web@nyc", web, health.Pass, 100*time.Millisecond)
		probe("tcp@nyc", web, health.Fail, time.Second)
		probe("tcp@nyc", push, health.Pass, time.Hour) // was not measured
		probe("web@nyc", web, health.Indeterminate, time.Hour)
		probe("web@lost", web, health.Fail, time.Hour) // of no pool
		nyc, ams := w.report("nyc"), w.report("ams")
		if nyc.Failed != 1./3 || nyc.P50 < 90*time.Millisecond || nyc.P99 > 110*time.Millisecond || nyc.Spark[Sparks-1] != nyc.P50.Truncate(time.Microsecond) {
			t.Errorf("%+v", nyc)
		}
		if ams.Failed != -1 || ams.P50 != 0 || ams.P99 != 0 || ams.Spark[Sparks-1] >= 0 {
			t.Errorf("%+v", ams)
		}
		probe("b", web, health.Fail, time.Second) // from which a target of both is calculated
		if nyc, ams := w.report("nyc"), w.report("ams"); nyc.Failed != 0.5 || ams.Failed != 1 {
			t.Errorf("%v of nyc failed, %v of ams", nyc.Failed, ams.Failed)
		}
		time.Sleep(4 * time.Minute)
		before := w.report("nyc").Spark
		w.save()
		time.Sleep(2 * time.Minute)
		w = newWorld(t, dir)
		w.use("nyc")
		after := w.report("nyc").Spark
		if diff := cmp.Diff(before[2:], after[:Sparks-2], cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Millisecond })); diff != "" {
			t.Errorf("the latencies of the run before (-was +is):\n%s", diff)
		}
	})
}

// The book is saved soon after a status has changed, now and then, and at the end.
func TestBookIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, dir)
		var taken atomic.Bool
		w.file.hold = func() error {
			if taken.Load() {
				return errors.New("another process has it")
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = w.Run(ctx) }()
		saved := func() time.Time {
			t.Helper()
			synctest.Wait()
			past, err := Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			return past.At
		}
		w.use("nyc")
		w.become("nyc", health.Up)
		changed := time.Now()
		time.Sleep(saveAfter)
		if at := saved(); !at.Equal(changed.Add(saveAfter).Round(0)) {
			t.Errorf("saved at %s, want %s after the change", at, saveAfter)
		}
		time.Sleep(saveEvery)
		if at := saved(); !at.Equal(changed.Add(saveAfter + saveEvery).Round(0)) {
			t.Errorf("saved at %s, want %s later", at, saveEvery)
		}
		taken.Store(true)
		time.Sleep(saveEvery)
		taken.Store(false)
		began := time.Now()
		time.Sleep(saveAfter)
		if at := saved(); at.Before(began.Round(0)) {
			t.Errorf("saved at %s, want it %s after it is possible again", at, saveAfter)
		}
		time.Sleep(time.Second)
		cancel()
		<-ended
		if at := saved(); !at.Equal(time.Now().Round(0)) {
			t.Errorf("saved at %s, want now", at)
		}
	})
}

// Failing to save is said once, and so is that it works again.
func TestSavingFails(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.use("nyc")
	refused := errors.New("another process has it")
	w.file.hold = func() error { return refused }
	w.save()
	w.save()
	if err := w.Err(); err != refused {
		t.Errorf("it fails by %v, want %v", err, refused)
	}
	if got := testutil.ToFloat64(w.failures); got != 2 {
		t.Errorf("%v failures are counted", got)
	}
	w.file.hold = nil
	w.save()
	w.save()
	if err := w.Err(); err != nil {
		t.Errorf("it fails by %v, though it is saved", err)
	}
	if log := w.log.String(); strings.Count(log, refused.Error()) != 1 || strings.Count(log, "saved again") != 1 {
		t.Errorf("the log says:\n%s", log)
	}
}

// A file that can't be used is kept under another name, and the next run begins anew.
func TestDamagedFile(t *testing.T) {
	const whole = `{"version":1,"at":"2026-11-28T01:07:00Z","place":2682420000,"pools":[` +
		`{"pool":"nyc","since":2682000000,"until":2682420000,"known":"up","slots":[[2980,1000,0,2]],"days":[[31,1000,0,2]]}]}`
	write := func(t *testing.T, content string) (dir string) {
		dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	if past, err := Read(write(t, whole)); err != nil || len(past.Pools) != 1 {
		t.Fatalf("%+v, %v", past, err)
	}
	for name, change := range map[string][2]string{
		"cut off":            {`"known":"up","slots":[[2980,1000,0,2]],"days":[[31,1000,0,2]]}]}`, ""},
		"with more":          {`]}]}`, `]}]}{}`},
		"of another version": {`"version":1`, `"version":2`},
		"with another field": {`"version":1`, `"version":1,"new":1`},
		"with a pool twice":  {`"pools":[`, `"pools":[{"pool":"nyc","since":2682000000,"until":2682000000,"known":"up"},`},
		"from the future":    {`"until":2682420000`, `"until":2682420001`},
		"from before":        {`"since":2682000000`, `"since":1`},
		"ended before":       {`"until":2682420000`, `"until":2681000000`},
		"a place too small":  {`"place":2682420000`, `"place":-5`},
		"a place too large":  {`"place":2682420000`, `"place":99999999999999`},
		"a strange status":   {`"known":"up"`, `"known":"sideways"`},
		"too short a line":   {`"known":"up"`, `"known":"up","spark":[1]`},
		"too old a slot":     {`[[2980,`, `[[2884,`},
		"too young a slot":   {`[[2980,`, `[[2981,`},
		"a slot twice":       {`[[2980,`, `[[2980,0,0,0],[2980,`},
		"a slot that bursts": {`[[2980,1000,0,2]]`, `[[2980,900000,1,2]]`},
		"a day that bursts":  {`[[31,1000,0,2]]`, `[[31,9223372036854775807,1,2]]`},
		"less than nothing":  {`[[2980,1000,0,2]]`, `[[2980,-1,0,2]]`},
		"negative turns":     {`[[2980,1000,0,2]]`, `[[2980,0,0,-2]]`},
	} {
		t.Run(name, func(t *testing.T) {
			content := strings.Replace(whole, change[0], change[1], 1)
			dir := write(t, content)
			past, err := Read(dir)
			if err == nil || past.Version != 0 {
				t.Fatalf("it was read: %+v", past)
			}
			aside := filepath.Join(dir, fileName+".damaged")
			if !strings.Contains(err.Error(), aside) {
				t.Fatalf("%v does not name %v", err, aside)
			}
			if kept, err := os.ReadFile(aside); err != nil || string(kept) != content {
				t.Errorf("what was set aside is not what there was: %v", err)
			}
			if past, err := Read(dir); err != nil || past.Version != 0 {
				t.Errorf("afterwards: %+v, %v", past, err)
			}
		})
	}
}

// What an interrupted save has left is removed, and nothing else.
func TestLeftoverIsRemoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{fileName + ".123", fileName + ".1.old", "other.123"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if diff := cmp.Diff([]string{filepath.Join(dir, fileName+".1.old"), filepath.Join(dir, "other.123")}, left); diff != "" || err != nil {
		t.Errorf("left are (-want +got):\n%s(%v)", diff, err)
	}
}

// Counting a probe costs no memory once its minute has its time, since there are thousands of them a second.
func TestProbedAllocatesNothing(t *testing.T) {
	w := newWorld(t, "")
	w.use("nyc", "ams")
	target, now := &health.Target{ID: "shared", Spec: &health.TCP{}}, time.Now()
	if got := testing.AllocsPerRun(1000, func() { w.Probed(target, health.Pass, now.Add(-time.Millisecond), now) }); got != 0 {
		t.Errorf("%v allocations a probe", got)
	}
}

// TestMemoryOfPools bounds what a pool takes that is well, an hour after the start: with 10,000 of them, a kilobyte
// more is 20 MiB more of the process.
func TestMemoryOfPools(t *testing.T) {
	const most = 1100
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.use("nyc")
		w.become("nyc", health.Up)
		for range 60 {
			time.Sleep(time.Minute)
			for i := range 12 {
				took := time.Duration(10+i*i) * time.Millisecond / 10
				w.Probed(&health.Target{ID: "web@nyc", Spec: &health.TCP{}}, health.Pass, time.Now().Add(-took), time.Now())
			}
			w.Reports()
		}
		e := w.pasts["nyc"]
		size := unsafe.Sizeof(*e) + unsafe.Sizeof(*e.latency) + uintptr(cap(e.slots)+cap(e.days))*unsafe.Sizeof(part{})
		for _, t := range e.recent {
			size += uintptr(cap(t.took)) * unsafe.Sizeof(t.took[0])
		}
		if size > most {
			t.Errorf("%d bytes, want at most %d", size, most)
		}
	})
}

// BenchmarkProbed is what a probe costs with 10,000 targets, by one goroutine and by several.
func BenchmarkProbed(b *testing.B) {
	w := newWorld(b, "")
	var pools []string
	for i := range 5000 {
		pools = append(pools, fmt.Sprint("pool", i))
	}
	w.use(pools...)
	targets := make([]health.Target, 2*len(pools))
	for i := range targets {
		targets[i] = health.Target{ID: health.TargetID([]string{"web@", "tcp@"}[i%2] + pools[i/2]), Spec: &health.TCP{}}
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		now := time.Now()
		for i := 0; pb.Next(); i++ {
			w.Probed(&targets[i*7919%len(targets)], health.Pass, now.Add(-time.Duration(i%1000)*time.Millisecond), now)
		}
	})
}

// BenchmarkReports is what a page costs with 2,000 pools.
func BenchmarkReports(b *testing.B) {
	w := newWorld(b, "")
	var pools []string
	for i := range 2000 {
		pools = append(pools, fmt.Sprint("pool", i))
	}
	w.use(pools...)
	for _, pool := range pools {
		w.become(pool, health.Up)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(w.Reports()) != len(pools) {
			b.Fatal("pools are missing")
		}
	}
}
