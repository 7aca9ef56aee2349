package steer

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"gslb/zones"
)

// drawSides draws pools that share clients, whose loads follow their parts.
func drawSides(t *rapid.T) []side {
	sides := make([]side, rapid.IntRange(1, 5).Draw(t, "pools"))
	total, stage := 0.0, 0
	for i := range sides {
		s := &sides[i]
		if i > 0 && rapid.IntRange(0, 2).Draw(t, "behind") == 0 || stage > 0 {
			stage += rapid.IntRange(0, 1).Draw(t, "next stage")
			stage = max(stage, 1)
		}
		s.behind, s.size = stage, rapid.Float64Range(0.1, 3).Draw(t, "size")
		if stage == 0 {
			s.base = s.size
			total += s.size
		}
		if rapid.IntRange(0, 5).Draw(t, "no watermarks") > 0 {
			from := rapid.Float64Range(0, 100).Draw(t, "from")
			s.shed = &zones.Shed{From: from, To: from + rapid.Float64Range(1, 50).Draw(t, "width")}
			s.known = rapid.IntRange(0, 5).Draw(t, "not known") > 0
			s.load = rapid.Float64Range(0, 250).Draw(t, "load")
		}
	}
	for i := range sides {
		s := &sides[i]
		s.size /= total
		s.base /= total
		if s.behind == 0 {
			s.part = s.base * rapid.Float64Range(0.2, 1).Draw(t, "kept")
			s.rises = s.load / s.part
			s.falls = s.rises * rapid.Float64Range(0, 1).Draw(t, "yields")
		} else {
			s.part = rapid.Float64Range(0, 0.3).Draw(t, "part")
			s.rises = rapid.Float64Range(0, 300).Draw(t, "slope")
			if s.falls = s.rises; s.part > 0 {
				s.falls = min(s.rises, s.load/s.part)
			}
		}
	}
	return sides
}

// All clients go somewhere. No pool gets others' clients beyond its high watermark, or without having said that it can
// take them; none gives up more than others take, and none that is not loaded gives up anything.
func TestBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sides := drawSides(t)
		parts := balance(sides)
		total, calm, full := 0.0, true, true
		for i, part := range parts {
			s := &sides[i]
			total += part
			limited := s.shed != nil && s.known
			calm = calm && (s.shed == nil || s.known && s.with(s.base) <= s.shed.From || s.behind > 0 || !s.known)
			full = full && s.shed != nil && (!s.known || s.with(s.base) >= s.shed.To)
			switch {
			case part < 0 || math.IsNaN(part):
				t.Fatalf("pool %d gets %v", i, part)
			case s.shed != nil && !s.known && math.Abs(part-s.base) > 1e-5:
				t.Errorf("pool %d gets %v instead of %v, though its load is not known", i, part, s.base)
			case limited && part > s.base+1e-5 && s.with(part) > s.shed.To*(1+1e-6)+1e-6:
				t.Errorf("pool %d is sent clients of others up to a load of %v, beyond %v", i, s.with(part), s.shed.To)
			case limited && s.behind == 0 && part < s.base-1e-5 && s.with(s.base) <= s.shed.From:
				t.Errorf("pool %d gives up clients at a load of %v", i, s.with(s.base))
			case s.shed == nil && part < s.base-1e-5:
				t.Errorf("pool %d gives up clients without a watermark", i)
			}
		}
		if math.Abs(total-1) > 1e-9 {
			t.Errorf("the parts are %v in all", total)
		}
		for i, part := range parts {
			if (calm || full) && math.Abs(part-sides[i].base) > 1e-9 {
				t.Errorf("pool %d gets %v instead of %v, though none is loaded (%t) or all are (%t)", i, part, sides[i].base, calm, full)
			}
		}
	})
}

// Once the loads are what the parts make of them, nothing moves any more.
func TestBalanceStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sides := drawSides(t)
		for i := range sides {
			sides[i].falls = sides[i].rises
			if sides[i].behind > 0 && sides[i].part > 0 {
				sides[i].load = max(sides[i].load, sides[i].rises*sides[i].part)
			}
		}
		parts := balance(sides)
		for i := range sides {
			sides[i].load, sides[i].part = sides[i].with(parts[i]), parts[i]
		}
		for i, part := range balance(sides) {
			if math.Abs(part-parts[i]) > 1e-3 {
				t.Errorf("pool %d gets %v, and then %v", i, parts[i], part)
			}
		}
	})
}

// A pool whose load hardly follows its part wants everything or nothing, by the level. It gets what is left to it, and
// keeps that.
func TestBalanceWhereWantsLeap(t *testing.T) {
	sides := []side{
		{base: 1, size: 1, shed: &zones.Shed{From: 1, To: 8.5}, known: true, load: 7.875, part: 1, rises: 7.875, falls: 7.875},
		{behind: 1, size: 1, shed: &zones.Shed{From: 1, To: 11}, known: true, load: 7.5, part: 0.3, rises: 1e-12, falls: 1e-12},
		{behind: 2, size: 1, part: 0.3, rises: 1, falls: 1},
	}
	parts := balance(sides)
	for i := range sides {
		sides[i].load, sides[i].part = sides[i].with(parts[i]), parts[i]
	}
	for i, part := range balance(sides) {
		if math.Abs(part-parts[i]) > 1e-6 {
			t.Errorf("pool %d gets %v, and then %v", i, parts[i], part)
		}
	}
}

func BenchmarkBalance(b *testing.B) {
	shed := &zones.Shed{From: 70, To: 95}
	sides := []side{
		{base: 0.5, size: 0.5, shed: shed, known: true, load: 110, part: 0.5, rises: 220, falls: 220},
		{base: 0.5, size: 0.5, shed: shed, known: true, load: 60, part: 0.5, rises: 120, falls: 120},
		{behind: 1, size: 1, shed: shed, known: true, load: 20, rises: 100, falls: 100},
	}
	for b.Loop() {
		balance(sides)
	}
}
