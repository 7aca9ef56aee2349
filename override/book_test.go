package override

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/health"
)

const filePath = "/state/overrides.json"

// wallClock is a clock that can be set.
type wallClock struct{ offset atomic.Int64 }

func (c *wallClock) now() time.Time        { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *wallClock) jump(by time.Duration) { c.offset.Add(int64(by)) }

func options(d disk, c *wallClock) Options {
	return Options{Dir: "/state", Now: c.now, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), disk: d}
}

func drain(pool string) Override {
	return Override{Kind: Drain, Pool: pool, Reason: "maintenance", By: "root (socket)", Since: time.Now()}
}

func lasting(o Override, d time.Duration) Override {
	o.Until = o.Since.Add(d)
	return o
}

func ids(w *Words) string {
	var list []string
	for _, o := range w.All() {
		list = append(list, o.ID())
	}
	return strings.Join(list, " ")
}

// told is changes as text: "+drain/nyc", "-drain/nyc expired".
func told(changes []Change) string {
	var list []string
	for _, c := range changes {
		text := "+" + c.ID() + " by " + c.By
		if c.Gone {
			text = "-" + c.ID() + " " + c.Why + " by " + c.By
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

func run(t *testing.T, b *Book) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	return func() { cancel(); <-done }
}

func put(t *testing.T, b *Book, list ...Override) {
	t.Helper()
	for _, o := range list {
		if err := b.Put(t.Context(), o); err != nil {
			t.Fatalf("%s: %v", o.ID(), err)
		}
	}
}

// Overrides are as they were after a restart, in the folder of a real file system.
func TestBookKeepsOverrides(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	real := func() Options {
		return Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()}
	}
	member := drain("ams")
	member.Member = netip.MustParseAddr("2001:db8::1")
	force := lasting(Override{Kind: Force, Pool: "nyc", Status: health.Down, Reason: "häh? \"quoted\"", By: "ci (token)", Since: time.Now()}, time.Hour)
	pin := Override{Kind: Pin, Name: "app.gslb.example.com.", Pool: "ams", Anyway: true, Reason: "test", By: "root (socket)", Since: time.Now(),
		Switch: &Switch{From: "nyc", Move: time.Now().Add(time.Minute)}}

	b := Open(real())
	put(t, b, drain("nyc"), member, force, pin)
	const all = "drain/ams/2001:db8::1 drain/nyc force/nyc pin/app.gslb.example.com."
	again := Open(real())
	if got := ids(again.Words()); got != all {
		t.Fatalf("after a restart: %s", got)
	}
	for i, o := range again.Words().All() {
		was := b.Words().All()[i]
		if !o.Since.Equal(was.Since) || !o.Until.Equal(was.Until) || o.Reason != was.Reason || o.By != was.By || o.Status != was.Status || o.Anyway != was.Anyway {
			t.Errorf("got %+v, want %+v", o, was)
		}
	}
	if s := again.Words().Pin("app.gslb.example.com.").Switch; s == nil || s.From != "nyc" || !s.Move.Equal(pin.Switch.Move) {
		t.Errorf("the planned move is %+v", s)
	}
	if _, changes := again.Take(); len(changes) != 0 {
		t.Errorf("what was in force before is told as a change: %s", told(changes))
	}
	removed, err := again.Remove(t.Context(), []string{"drain/nyc", "drain/none"}, "ci (token)", "done")
	if err != nil || len(removed) != 1 || removed[0].ID() != "drain/nyc" {
		t.Errorf("removed %v, %v", removed, err)
	}
	if got := ids(Open(real()).Words()); got != strings.Replace(all, "drain/nyc ", "", 1) {
		t.Errorf("after a removal and a restart: %s", got)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 1 {
		t.Errorf("the folder has %v", names)
	}
}

// What takes the place of another is one change; what is taken back says by whom and why.
func TestBookTellsChanges(t *testing.T) {
	b := Open(options(newMemDisk(), new(wallClock)))
	put(t, b, drain("nyc"))
	again := drain("nyc")
	again.Reason, again.By = "longer", "ci (token)"
	put(t, b, again)
	select {
	case <-b.Changed():
	default:
		t.Error("it does not say that something has changed")
	}
	words, changes := b.Take()
	if got, want := told(changes), "+drain/nyc by root (socket); +drain/nyc by ci (token)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := words.Pool("nyc").Drain.Reason; got != "longer" {
		t.Errorf("in force is %q", got)
	}
	if same, changes := b.Take(); same != words || len(changes) != 0 {
		t.Error("without a change, it has other words")
	}
	if _, err := b.Remove(t.Context(), []string{"drain/nyc"}, "ana (token)", "it is back"); err != nil {
		t.Fatal(err)
	}
	if _, changes := b.Take(); told(changes) != "-drain/nyc it is back by ana (token)" {
		t.Errorf("got %q", told(changes))
	}
	if removed, err := b.Remove(t.Context(), []string{"drain/nyc"}, "ana (token)", "it is back"); err != nil || len(removed) != 0 {
		t.Errorf("removed again: %v, %v", removed, err)
	}
}

func TestCheck(t *testing.T) {
	good := drain("nyc")
	tests := []struct {
		want  string // "": nothing is wrong
		spoil func(o *Override)
	}{
		{"", func(o *Override) {}},
		{"", func(o *Override) { o.Member = netip.MustParseAddr("192.0.2.1"); o.Anyway = true }},
		{"", func(o *Override) { o.Reason = strings.Repeat("ä", 200) }},
		{"", func(o *Override) { o.Until = o.Since.Add(time.Second) }},
		{"", func(o *Override) { o.Until = o.Since.Add(365 * 24 * time.Hour) }},
		{"", func(o *Override) { o.Kind, o.Status = Force, health.Up }},
		{"", func(o *Override) { o.Kind, o.Name = Pin, "app.example.com." }},
		{"kind: ", func(o *Override) { o.Kind = "" }},
		{"kind: ", func(o *Override) { o.Kind = "Drain" }},
		{"pool: ", func(o *Override) { o.Pool = "" }},
		{"name: ", func(o *Override) { o.Name = "app.example.com." }},
		{"name: ", func(o *Override) { o.Kind = Pin }},
		{"name: ", func(o *Override) { o.Kind, o.Name = Pin, "app.example.com" }},
		{"name: ", func(o *Override) { o.Kind, o.Name = Pin, "App.example.com." }},
		{"member: ", func(o *Override) {
			o.Kind, o.Name, o.Member = Pin, "app.example.com.", netip.MustParseAddr("192.0.2.1")
		}},
		{"status: ", func(o *Override) { o.Status = health.Up }},
		{"status: ", func(o *Override) { o.Kind = Force }},
		{"anyway: ", func(o *Override) { o.Kind, o.Status, o.Anyway = Force, health.Up, true }},
		{"switch: ", func(o *Override) { o.Switch = &Switch{From: "a", Move: time.Now()} }},
		{"switch: ", func(o *Override) { o.Kind, o.Name, o.Switch = Pin, "app.example.com.", new(Switch) }},
		{"by: ", func(o *Override) { o.By = "" }},
		{"since: ", func(o *Override) { o.Since = time.Time{} }},
		{"reason: it is missing", func(o *Override) { o.Reason = "" }},
		{"reason: it is missing", func(o *Override) { o.Reason = " \t" }},
		{"reason: it has more than 200", func(o *Override) { o.Reason = strings.Repeat("ä", 201) }},
		{"reason: it has a line break", func(o *Override) { o.Reason = "a\nb" }},
		{"reason: it has a line break", func(o *Override) { o.Reason = "a\x1b[31mb" }},
		{"reason: it has a line break", func(o *Override) { o.Reason = "a\u2028b" }},
		{"reason: it has a line break", func(o *Override) { o.Reason = "a\u202eb" }},
		{"reason: it is not valid", func(o *Override) { o.Reason = "a\xffb" }},
		{"until: ", func(o *Override) { o.Until = o.Since.Add(time.Second - 1) }},
		{"until: ", func(o *Override) { o.Until = o.Since.Add(-time.Hour) }},
		{"until: ", func(o *Override) { o.Until = o.Since.Add(366*24*time.Hour + 1) }},
	}
	for i, test := range tests {
		o := good
		test.spoil(&o)
		err := o.Check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%d: %+v: got %v, want %q", i, o, err, test.want)
		}
		b := Open(options(newMemDisk(), new(wallClock)))
		if got := b.Put(t.Context(), o); (got == nil) != (err == nil) {
			t.Errorf("%d: Put: %v", i, got)
		}
	}
}

// An override ends at its time, and within a second of a clock that was set beyond it.
func TestOverridesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, d := new(wallClock), newMemDisk()
		b := Open(options(d, clock))
		defer run(t, b)()
		put(t, b, lasting(drain("nyc"), 90*time.Minute), lasting(drain("ams"), 24*time.Hour), drain("sfo"))
		b.Take()
		<-b.Changed()

		began := time.Now()
		<-b.Changed()
		if got := time.Since(began); got != 90*time.Minute {
			t.Errorf("it ended after %s", got)
		}
		words, changes := b.Take()
		if ids(words) != "drain/ams drain/sfo" || told(changes) != "-drain/nyc expired by " {
			t.Errorf("in force: %s; told: %s", ids(words), told(changes))
		}

		clock.jump(25 * time.Hour)
		began = time.Now()
		<-b.Changed()
		if late := time.Since(began); late > time.Second {
			t.Errorf("a jump ended it after %s", late)
		}
		if words, changes := b.Take(); ids(words) != "drain/sfo" || told(changes) != "-drain/ams expired by " {
			t.Errorf("in force: %s; told: %s", ids(words), told(changes))
		}
		clock.jump(-25 * time.Hour) // what has ended stays so
		time.Sleep(10 * time.Second)
		if got := ids(b.Words()); got != "drain/sfo" {
			t.Errorf("after the clock was set back: %s", got)
		}
		// The file has no more than what is in force.
		if got := ids(Open(options(d.crash(false), clock)).Words()); got != "drain/sfo" {
			t.Errorf("after a restart: %s", got)
		}
	})
}

// Take ends what has run out, whoever causes a publication.
func TestTakeEndsOverrides(t *testing.T) {
	clock := new(wallClock)
	b := Open(options(newMemDisk(), clock))
	put(t, b, lasting(drain("nyc"), time.Hour))
	b.Take()
	clock.jump(time.Hour - time.Minute)
	if words, _ := b.Take(); ids(words) != "drain/nyc" {
		t.Errorf("in force before its end: %s", ids(words))
	}
	clock.jump(time.Minute)
	if words, changes := b.Take(); ids(words) != "" || told(changes) != "-drain/nyc expired by " {
		t.Errorf("in force: %s; told: %s", ids(words), told(changes))
	}
}

// What ran out while nothing ran is never in force, and its end is told.
func TestOverrideThatEndedMeanwhile(t *testing.T) {
	clock, d := new(wallClock), newMemDisk()
	put(t, Open(options(d, clock)), lasting(drain("nyc"), time.Hour), drain("ams"))
	clock.jump(2 * time.Hour)
	b := Open(options(d.crash(false), clock))
	if words, changes := b.Take(); ids(words) != "drain/ams" || told(changes) != "-drain/nyc expired by " {
		t.Errorf("in force: %s; told: %s", ids(words), told(changes))
	}
}

// The time of a planned move is told like an end.
func TestPlannedMoveIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(wallClock)
		b := Open(options(newMemDisk(), clock))
		defer run(t, b)()
		put(t, b, Override{Kind: Pin, Name: "app.example.com.", Pool: "nyc", Reason: "switch", By: "ana (token)", Since: time.Now(),
			Switch: &Switch{From: "ams", Move: time.Now().Add(time.Hour)}})
		b.Take()
		<-b.Changed()
		clock.jump(30 * time.Minute)
		time.Sleep(time.Minute)
		select {
		case <-b.Changed():
			t.Error("it is due before its time")
		default:
		}
		clock.jump(time.Hour)
		began := time.Now()
		<-b.Changed()
		if late := time.Since(began); late > time.Second {
			t.Errorf("a jump made it due after %s", late)
		}
	})
}

// A crash at any step of a change leaves the overrides of before or of after it, and never less than what
// was acknowledged.
func TestAcknowledgedSurvivesACrash(t *testing.T) {
	clock := new(wallClock)
	steps := 0
	for fail := 1; ; fail++ {
		d := newMemDisk()
		b := Open(options(d, clock))
		put(t, b, drain("nyc"))
		d.mu.Lock()
		d.steps, d.fail = 0, fail
		d.mu.Unlock()
		err := b.Put(t.Context(), drain("ams"))
		for _, renamed := range []bool{false, true} {
			after := Open(options(d.crash(renamed), clock))
			got := ids(after.Words())
			switch {
			case len(after.SetAside()) > 0:
				t.Errorf("step %d, renamed %v: %q", fail, renamed, after.SetAside())
			case err == nil && got != "drain/ams drain/nyc":
				t.Errorf("step %d, renamed %v: acknowledged, and after the crash there are %q", fail, renamed, got)
			case got != "drain/nyc" && got != "drain/ams drain/nyc":
				t.Errorf("step %d, renamed %v: there are %q", fail, renamed, got)
			}
		}
		if err == nil {
			break
		}
		steps++
		if !errors.Is(err, ErrDisk) || !errors.Is(err, errDead) {
			t.Errorf("step %d: got %v, want ErrDisk", fail, err)
		}
		if got := ids(b.Words()); got != "drain/nyc" {
			t.Errorf("step %d: refused, and in force is %q", fail, got)
		}
	}
	if steps < 6 { // folder, file, content, sync, close, rename, sync of the folder
		t.Errorf("only %d steps can fail", steps)
	}
}

// A disk that hangs refuses changes in time, and stops no end of an override. When it responds again,
// the file says what is in force, not what was refused.
func TestDiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, d := new(wallClock), newMemDisk()
		b := Open(options(d, clock))
		defer run(t, b)()
		put(t, b, lasting(drain("nyc"), time.Minute), drain("sfo"))
		respond := d.stall()
		for _, pool := range []string{"ams", "lon"} { // the second waits for the first
			began := time.Now()
			err := b.Put(t.Context(), drain(pool))
			if took := time.Since(began); !errors.Is(err, ErrDisk) || took > diskWait {
				t.Errorf("got %v after %s", err, took)
			}
		}
		time.Sleep(time.Minute)
		if got := ids(b.Words()); got != "drain/sfo" {
			t.Errorf("in force: %s", got)
		}
		if b.Err() == nil {
			t.Error("it is not known that the file can't be written")
		}
		respond()
		time.Sleep(2 * retryIn)
		if err := b.Err(); err != nil {
			t.Errorf("it is not written again: %v", err)
		}
		if got := ids(Open(options(d.crash(false), clock)).Words()); got != "drain/sfo" {
			t.Errorf("in the file: %s", got)
		}
		put(t, b, drain("ams"))
	})
}

// A start does not wait for a disk that hangs. The overrides come into force when it responds.
func TestStartWithADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, d := new(wallClock), newMemDisk()
		put(t, Open(options(d, clock)), drain("nyc"))
		respond := d.stall()
		began := time.Now()
		b := Open(options(d, clock))
		if took := time.Since(began); took > diskWait || ids(b.Words()) != "" {
			t.Errorf("after %s there are %q", took, ids(b.Words()))
		}
		if got := fmt.Sprint(b.Notes()); !strings.Contains(got, "does not respond") || len(b.SetAside()) != 1 {
			t.Errorf("it does not say that they are missing: %s", got)
		}
		if err := b.Put(t.Context(), drain("ams")); !errors.Is(err, ErrDisk) {
			t.Errorf("got %v", err)
		}
		respond()
		<-b.Changed()
		if words, _ := b.Take(); ids(words) != "drain/nyc" || len(b.SetAside())+len(b.Notes()) > 0 {
			t.Errorf("in force: %s; %s", ids(words), b.SetAside())
		}
		synctest.Wait()
		put(t, b, drain("ams"))
	})
}

// A file that can't be used is set aside, whole, and said until somebody removes it.
func TestFileThatCannotBeUsed(t *testing.T) {
	sound := newMemDisk()
	put(t, Open(options(sound, new(wallClock))), drain("nyc"), drain("ams"))
	text := string(sound.inodes[filePath].data)
	tests := map[string]string{
		"empty":                      "",
		"half written":               text[:len(text)/2],
		"all but its last bytes":     strings.TrimRight(text, "\n}"),
		"twice":                      text + text,
		"not JSON":                   "\x00\x01\x02",
		"a foreign file":             `{"targets":[]}`,
		"null":                       "null",
		"without a version":          `{"overrides":[]}`,
		"of a newer version":         strings.Replace(text, `"version": 1`, `"version": 2`, 1),
		"with a field of a newer":    strings.Replace(text, `"reason"`, `"scope": "eu", "reason"`, 1),
		"with a kind of a newer":     strings.Replace(text, `"drain"`, `"slow"`, 1),
		"with one that is not valid": strings.Replace(text, `"pool": "nyc"`, `"pool": ""`, 1),
		"with one without a reason":  strings.Replace(text, `"maintenance"`, `""`, 1),
		"with the same one twice":    strings.Replace(text, `"nyc"`, `"ams"`, 1),
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newMemDisk()
				d.put(filePath, content)
				b := Open(options(d, new(wallClock)))
				if got := b.SetAside(); len(got) != 1 || !strings.Contains(got[0], damagedName) {
					t.Fatalf("it says %q", got)
				}
				if got := b.Notes(); len(got) != 1 || !strings.Contains(got[0], damagedName) || !strings.Contains(got[0], "not in force (it ") {
					t.Fatalf("it says %q", got)
				}
				if got := ids(b.Words()); got != "" {
					t.Errorf("in force: %s", got)
				}
				put(t, b, drain("sfo"))
				paths := d.paths()
				if len(paths) != 2 || string(d.inodes[paths[1]].data) != content {
					t.Fatalf("there are %q", paths)
				}
				again := Open(options(d, new(wallClock))) // a restart does not forget it
				defer run(t, again)()
				if got := again.SetAside(); len(got) != 1 || ids(again.Words()) != "drain/sfo" {
					t.Errorf("after a restart: %s, %q", ids(again.Words()), got)
				}
				if err := d.Remove(paths[1]); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * retryIn)
				if got := again.SetAside(); len(got) != 0 {
					t.Errorf("after its removal: %q", got)
				}
			})
		})
	}
}

// Two in the same second have different names.
func TestSetAsideOverwritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemDisk()
		for i := range 3 {
			d.put(filePath, fmt.Sprint("damaged ", i))
			b := Open(options(d, new(wallClock)))
			if got := len(b.SetAside()); got != i+1 {
				t.Errorf("%d are set aside, want %d", got, i+1)
			}
		}
		for i, path := range d.paths() {
			if got, want := string(d.inodes[path].data), fmt.Sprint("damaged ", i); got != want {
				t.Errorf("%s has %q, want %q", path, got, want)
			}
		}
	})
}

// A file that can't even be renamed is never written over.
func TestFileThatCannotBeSetAside(t *testing.T) {
	d := newMemDisk()
	d.put(filePath, "damaged")
	d.deny = syscall.EROFS
	b := Open(options(d, new(wallClock)))
	if got := b.SetAside(); len(got) != 1 || !strings.Contains(got[0], filePath) {
		t.Errorf("it says %q", got)
	}
	if err := b.Put(t.Context(), drain("nyc")); !errors.Is(err, ErrDisk) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("got %v", err)
	}
	if got := string(d.inodes[filePath].data); got != "damaged" {
		t.Errorf("the file has %q", got)
	}
	d.deny = nil
	put(t, b, drain("nyc"))
	if got := b.SetAside(); len(got) != 1 || !strings.Contains(got[0], damagedName) || len(d.paths()) != 2 {
		t.Errorf("it says %q, and there are %q", got, d.paths())
	}
}

// What is no file, or one that can't be read, is set aside too, without being waited for.
func TestWhatIsNoFile(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"huge": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("{"), 0o600), os.Truncate(path, 1<<40))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := spoil(filepath.Join(dir, fileName)); err != nil {
				t.Fatal(err)
			}
			b := Open(Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
			if len(b.SetAside()) != 1 {
				t.Errorf("it says %q", b.SetAside())
			}
			put(t, b, drain("nyc"))
		})
	}
}

// A folder that is none, or that leads to itself, is found to be of no use at once.
func TestWhatIsNoFolder(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a file":   func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a circle": func(path string) error { return os.Symlink(path, path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			b := Open(Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
			if took := time.Since(begun); took >= diskWait {
				t.Errorf("it took %s", took)
			}
			if err := b.Put(t.Context(), drain("nyc")); !errors.Is(err, ErrDisk) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Files of interrupted writes are removed, and no others.
func TestLeftoversAreRemoved(t *testing.T) {
	d := newMemDisk()
	for _, name := range []string{"overrides.json.123", "overrides.json.bak", "state.json.1"} {
		d.put("/state/"+name, "x")
	}
	Open(options(d, new(wallClock)))
	if got, want := d.paths(), []string{"/state/overrides.json.bak", "/state/state.json.1"}; !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}

// A file that somebody removes or writes to while the server runs has, soon after, what is in force.
func TestFileThatIsHarmed(t *testing.T) {
	for name, harm := range map[string]func(*memDisk){
		"removed":  func(d *memDisk) { d.inodes, d.durable = map[string]*inode{}, map[string]*inode{} },
		"replaced": func(d *memDisk) { d.put("/state/overrides.json", `{"version":1,"overrides":[]}`) },
	} {
		for _, restarted := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				clock, d := new(wallClock), newMemDisk()
				b := Open(options(d, clock))
				put(t, b, drain("nyc"))
				if restarted {
					b = Open(options(d, clock))
				}
				defer run(t, b)()
				time.Sleep(time.Minute)
				steps := d.steps
				time.Sleep(time.Hour)
				if d.steps != steps {
					t.Errorf("%s, restarted %v: the file is written though nobody harms it", name, restarted)
				}
				d.mu.Lock()
				harm(d)
				d.mu.Unlock()
				time.Sleep(2 * retryIn)
				synctest.Wait()
				if got := ids(Open(options(d.crash(false), clock)).Words()); got != "drain/nyc" {
					t.Errorf("%s, restarted %v: after a crash there is %q", name, restarted, got)
				}
			})
		}
	}
}

// A disk that fails for hours is logged when it begins to, and when it works again.
func TestFailureIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock, d := new(wallClock), newMemDisk()
		var log strings.Builder
		o := options(d, clock)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		b := Open(o)
		stop := run(t, b)
		put(t, b, lasting(drain("nyc"), time.Minute), drain("ams"))
		d.mu.Lock()
		d.fail = d.steps + 1
		d.mu.Unlock()
		time.Sleep(3 * time.Hour)
		if !errors.Is(b.Err(), errDead) {
			t.Errorf("it fails by %v", b.Err())
		}
		d.mu.Lock()
		d.fail = 0
		d.mu.Unlock()
		time.Sleep(time.Hour)
		stop()
		if b.Err() != nil {
			t.Errorf("it still fails by %v", b.Err())
		}
		if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "up to date again") {
			t.Errorf("the log has %d lines:\n%.2000s", got, &log)
		}
		if got := ids(Open(options(d.crash(false), clock)).Words()); got != "drain/ams" {
			t.Errorf("the file has %q", got)
		}
	})
}

// A command that could write the file ends the failure, before it is tried again.
func TestCommandEndsTheFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newMemDisk()
		b := Open(options(d, new(wallClock)))
		defer run(t, b)()
		put(t, b, lasting(drain("nyc"), time.Minute))
		d.mu.Lock()
		d.fail = d.steps + 1
		d.mu.Unlock()
		time.Sleep(time.Hour)
		if !errors.Is(b.Err(), errDead) {
			t.Fatalf("it fails by %v", b.Err())
		}
		d.mu.Lock()
		d.fail = 0
		d.mu.Unlock()
		put(t, b, drain("sfo"))
		if b.Err() != nil {
			t.Errorf("it still fails by %v", b.Err())
		}
	})
}

func TestBookInMemoryOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(nil, new(wallClock))
		o.Dir, o.disk = "", nil
		b := Open(o)
		defer run(t, b)()
		put(t, b, lasting(drain("nyc"), time.Minute), drain("ams"))
		if b.Kept() {
			t.Error("it says that it keeps them")
		}
		time.Sleep(2 * time.Minute)
		if got := ids(b.Words()); got != "drain/ams" {
			t.Errorf("in force: %s", got)
		}
	})
}

// A folder that another process uses is not written to.
func TestFolderOfAnother(t *testing.T) {
	d, held := newMemDisk(), errors.New("another gslb uses it")
	o := options(d, new(wallClock))
	o.Hold = func() error { return held }
	b := Open(o)
	if err := b.Put(t.Context(), drain("nyc")); !errors.Is(err, held) || len(d.paths()) > 0 {
		t.Errorf("got %v, and there are %q", err, d.paths())
	}
}

func TestOverridesAreBounded(t *testing.T) {
	o := options(newMemDisk(), new(wallClock))
	b := Open(o)
	for i := range most {
		b.list[fmt.Sprint(i)] = drain(fmt.Sprint(i))
	}
	if err := b.Put(t.Context(), drain("nyc")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}

// Changes by several at once are all made.
func TestChangesAtOnce(t *testing.T) {
	d := newMemDisk()
	b := Open(options(d, new(wallClock)))
	defer run(t, b)()
	done := make(chan error)
	for i := range 50 {
		go func() { done <- b.Put(t.Context(), drain(fmt.Sprint("p", i))) }()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	_, changes := b.Take()
	if got := len(Open(options(d.crash(false), new(wallClock))).Words().All()); got != 50 || len(changes) != 50 {
		t.Errorf("%d are kept, %d were told", got, len(changes))
	}
}

func TestBookMetrics(t *testing.T) {
	d := newMemDisk()
	d.put(filePath, "damaged")
	o := options(d, new(wallClock))
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	b := Open(o)
	put(t, b, drain("nyc"), lasting(drain("ams"), time.Hour))
	want := `# HELP gslb_overrides Overrides that are in force.
# TYPE gslb_overrides gauge
gslb_overrides{kind="drain"} 2
gslb_overrides{kind="force"} 0
gslb_overrides{kind="pin"} 0
# HELP gslb_overrides_set_aside Files of overrides that could not be read, so that these are not in force.
# TYPE gslb_overrides_set_aside gauge
gslb_overrides_set_aside 1
# HELP gslb_overrides_without_end Overrides that are in force until a person takes them back.
# TYPE gslb_overrides_without_end gauge
gslb_overrides_without_end 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
