package override

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/health"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestString(t *testing.T) {
	for want, o := range map[string]Override{
		"drained by root (socket): new kernel":                       {Kind: Drain, Pool: "nyc", By: "root (socket)", Reason: "new kernel"},
		"forced down by me until 2026-01-02T12:00:00Z: no power":     {Kind: Force, Pool: "nyc", Status: health.Down, By: "me", Until: noon, Reason: "no power"},
		"pinned to nyc: a test":                                      {Kind: Pin, Name: "app.", Pool: "nyc", Reason: "a test"},
		"switched to nyc by me: the move of the database":            {Kind: Pin, Name: "app.", Pool: "nyc", By: "me", Switch: &Switch{}, Reason: "the move of the database"},
		"forced up by ci (token) until 2026-01-02T12:00:00Z: a test": {Kind: Force, Pool: "nyc", Status: health.Up, By: "ci (token)", Until: noon.In(time.FixedZone("", 3600)), Reason: "a test"},
	} {
		if got := o.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEqual(t *testing.T) {
	whole := func() *Override {
		return &Override{
			Kind: Pin, Name: "app.", Pool: "nyc", Member: netip.MustParseAddr("192.0.2.1"), Status: health.Up, Anyway: true, Reason: "a test",
			By: "me", Since: noon, Until: noon.Add(time.Hour), Switch: &Switch{From: "ams", Move: noon},
		}
	}
	elsewhere := whole()
	elsewhere.Since, elsewhere.Until, elsewhere.Switch.Move = noon.Local(), noon.Add(time.Hour).In(time.FixedZone("", 3600)), noon.Local()
	if !whole().Equal(elsewhere) || !(*Override)(nil).Equal(nil) || whole().Equal(nil) || (*Override)(nil).Equal(whole()) {
		t.Error("equal ones differ, or something is nothing")
	}
	for what, change := range map[string]func(*Override){
		"kind": func(o *Override) { o.Kind = Drain }, "name": func(o *Override) { o.Name = "www." }, "pool": func(o *Override) { o.Pool = "ams" },
		"member": func(o *Override) { o.Member = netip.Addr{} }, "status": func(o *Override) { o.Status = health.Down },
		"anyway": func(o *Override) { o.Anyway = false }, "reason": func(o *Override) { o.Reason = "" }, "by": func(o *Override) { o.By = "" },
		"since": func(o *Override) { o.Since = noon.Add(1) }, "until": func(o *Override) { o.Until = time.Time{} },
		"no switch": func(o *Override) { o.Switch = nil }, "from": func(o *Override) { o.Switch.From = "" }, "move": func(o *Override) { o.Switch.Move = noon.Add(1) },
	} {
		if o := whole(); func() bool { change(o); return o.Equal(whole()) || whole().Equal(o) }() {
			t.Errorf("another %s is taken for the same", what)
		}
	}
}

// ChangedSince is what a comparison of everything that was said finds.
func TestChangedSince(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) *Words {
		list := make(map[string]Override)
		for range rapid.IntRange(0, 5).Draw(t, "words") {
			o := Override{
				Kind:   rapid.SampledFrom([]Kind{Pin, Drain, Force}).Draw(t, "kind"),
				Pool:   rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pool"),
				Reason: rapid.SampledFrom([]string{"one", "other"}).Draw(t, "reason"),
			}
			if o.Kind == Pin {
				o.Name = rapid.SampledFrom([]string{"x.", "y."}).Draw(t, "name")
			} else if rapid.Bool().Draw(t, "member") {
				o.Member = netip.MustParseAddr("192.0.2.1")
			}
			list[o.ID()] = o
		}
		var all []Override
		for _, o := range list {
			all = append(all, o)
		}
		if len(all) == 0 && rapid.Bool().Draw(t, "nil") {
			return nil
		}
		return NewWords(all)
	})
	rapid.Check(t, func(t *rapid.T) {
		is, was := draw.Draw(t, "is"), draw.Draw(t, "was")
		var pools, names []string
		for _, pool := range []string{"a", "b"} {
			if diff := cmp.Diff(was.Pool(pool), is.Pool(pool), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				pools = append(pools, pool)
			}
		}
		for _, name := range []string{"x.", "y."} {
			if !is.Pin(name).Equal(was.Pin(name)) {
				names = append(names, name)
			}
		}
		gotPools, gotNames := is.ChangedSince(was)
		if !cmp.Equal(gotPools, pools) || !cmp.Equal(gotNames, names) {
			t.Fatalf("%v and %v, want %v and %v", gotPools, gotNames, pools, names)
		}
		for i, pin := range is.Pins() {
			if is.Pin(pin.Name) != pin || i > 0 && is.Pins()[i-1].Name >= pin.Name {
				t.Fatalf("pins: %v", is.Pins())
			}
		}
	})
}
