package incident

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/publish"
	"gslb/publish/publishtest"
	"gslb/zones"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const twoRegions = `
[server]
listen = ["127.0.0.1:0"]
[checks.web]
type = "tcp"
address = "{address}:80"
[pools.nyc]
members = ["203.0.113.10"]
checks = ["web"]
[pools.ams]
members = ["198.51.100.10", "198.51.100.11"]
checks = ["web"]
[pools.lab]
members = ["192.0.2.10"]
checks = ["web"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
ttl = "20s"
[zones."gslb.example.com".names.app]
pools = ["nyc", "ams"]
failback_after = "1m"
[zones."gslb.example.com".names.www]
pools = ["nyc", "ams"]
failback_after = "1m"
[zones."gslb.example.com".names.api]
pools = ["nyc", "ams"]
failback = "manual"
[zones."gslb.example.com".names.lab]
pools = ["lab"]
[zones."gslb.example.com".names.slow]
pools = ["ams", "nyc"]
failover_after = "30s"
failback_after = "1m"
`

// world is a server whose targets a test turns by hand.
type world struct {
	*publishtest.World
	look Look // what there is beside the table
}

func newWorld(t testing.TB, text string) *world {
	t.Helper()
	return newWorldOf(publishtest.Parse(t, text, noon))
}

func newWorldOf(set *zones.Set) *world { return &world{World: publishtest.New(set, noon)} }

// seen is a look at the world.
func (w *world) seen() Look {
	l := w.look
	l.Now, l.Begun, l.Table, l.Words = w.Now, noon, w.Table, w.Outcome.Words()
	return l
}

// turn turns targets down, and all others up, some time later.
func (w *world) turn(after time.Duration, down ...health.TargetID) []publish.Event {
	w.Now = w.Now.Add(after)
	w.Down = make(map[health.TargetID]bool)
	for _, id := range down {
		w.Down[id] = true
	}
	return w.Decide()
}

// diary is a book that a test makes look, and what it has told.
type diary struct {
	*Book
	*world
	told []Change
}

func newDiary(w *world, kept Kept) *diary {
	d := &diary{world: w}
	d.Book = NewBook(Options{
		Look: w.seen, Kept: kept, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Listeners: []func([]Change){func(c []Change) { d.told = append(d.told, c...) }},
	})
	return d
}

// write has the book see what was published, and returns what it tells.
func (d *diary) write(events []publish.Event) []Change {
	d.told = nil
	d.Notice(events)
	d.Book.look()
	return d.told
}

// lasting is the incidents that last.
func (d *diary) lasting() []Incident {
	return slices.DeleteFunc(slices.Clone(d.List()), func(i Incident) bool { return !i.Until.IsZero() })
}

func TestKindsAreDistinct(t *testing.T) {
	seen := make(map[Kind]bool)
	for _, k := range Kinds {
		if k == "" || seen[k] {
			t.Errorf("kind %q is there twice, or empty", k)
		}
		seen[k] = true
	}
}

// Every kind has its section in the runbook, to which messages and the page link.
func TestRunbookHasEveryKind(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds {
		if !strings.Contains(string(text), "\n## "+string(k)+"\n") {
			t.Errorf("docs/runbook.md has no section %q", k)
		}
	}
}
