package history

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/health"
)

// stretch is a time with one status, as a model of a past remembers it: all of them, for ever.
type stretch struct {
	from, to time.Duration
	status   health.Status
}

// model is a past without bounds.
type model struct {
	stretches []stretch
	turns     []time.Duration
	known     health.Status
}

func (m *model) spend(from, to time.Duration, status health.Status) {
	m.stretches = append(m.stretches, stretch{from, to, status})
}

func (m *model) become(status health.Status, at time.Duration) {
	if status == health.Unknown {
		return
	}
	if m.known != health.Unknown && m.known != status {
		m.turns = append(m.turns, at)
	}
	m.known = status
}

// part is what a part of a length holds, as far as it has passed; what no stretch covers is not known.
func (m *model) part(from, length, now time.Duration) Slot {
	to := min(from+length, now)
	p := Slot{Unknown: to - from}
	for _, s := range m.stretches {
		common := min(to, s.to) - max(from, s.from)
		if common <= 0 {
			continue
		}
		if s.status != health.Unknown {
			p.Unknown -= common
		}
		if s.status == health.Down {
			p.Down += common
		}
	}
	for _, at := range m.turns {
		if from <= at && at < from+length {
			p.Turns++
		}
	}
	return p
}

// TestPastIsWhatWas compares pasts, with restarts between, with a model that remembers everything.
func TestPastIsWhatWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lasting := rapid.OneOf(
			rapid.Int64Range(0, int64(2*time.Minute/time.Millisecond)), rapid.Int64Range(0, int64(5*time.Hour/time.Millisecond)),
			rapid.SampledFrom([]int64{0, 1, SlotTime.Milliseconds(), dayTime.Milliseconds(), 3 * dayTime.Milliseconds()}),
			rapid.Int64Range(0, int64(40*dayTime/time.Millisecond)),
		)
		draw := func(what string) time.Duration { return time.Duration(lasting.Draw(rt, what)) * time.Millisecond }
		at := begin + draw("begins")
		p, m := &entry{*newPast(at), newLatency()}, &model{}
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			from := at
			switch at += draw("after"); rapid.SampledFrom([]string{"change", "change", "look", "restart"}).Draw(rt, "step") {
			case "change":
				status := rapid.SampledFrom([]health.Status{health.Up, health.Down, health.Unknown}).Draw(rt, "status")
				m.spend(from, at, p.status)
				p.become(status, at)
				m.become(status, at)
			case "look":
				m.spend(from, at, p.status)
				p.past.goOn(at)
			case "restart": // nothing ran since the last step
				k := kept{Pool: "nyc", Since: p.since.Milliseconds(), At: p.past.at.Milliseconds(), Known: p.known,
					Slots: p.slots.keep(), Days: p.days.keep()}
				p = restored(rt, k, from)
				m.spend(from, at, health.Unknown)
				p.past.goOn(at)
			}
			compare(rt, p, m, at)
		}
	})
}

// restored is what a run makes of what another has left at a place.
func restored(t *rapid.T, k kept, place time.Duration) *entry {
	data, err := json.Marshal(Past{Version: fileVersion, Place: place.Milliseconds(), Pools: []kept{k}})
	if err != nil {
		t.Fatal(err)
	}
	left, err := parse(data)
	if err != nil {
		t.Fatalf("%v:\n%s", err, data)
	}
	_, pasts := left.restore(time.Now())
	return pasts["nyc"]
}

func compare(t *rapid.T, p *entry, m *model, at time.Duration) {
	now := time.Date(2026, 11, 28, 1, 7, 0, 0, time.UTC).Add(at - begin)
	strip := p.strip(now)()
	last := at / SlotTime * SlotTime
	var day Downtime
	for i, slot := range strip {
		from := last - time.Duration(Slots-1-i)*SlotTime
		want := m.part(from, SlotTime, at)
		if got := (Slot{Down: slot.Down, Unknown: slot.Unknown, Turns: slot.Turns}); got != want {
			t.Fatalf("slot %d is %+v, want %+v", i, got, want)
		}
		if want := now.Add(from - at).Round(time.Minute); slot.Start.Sub(want).Abs() > time.Minute {
			t.Fatalf("slot %d begins at %s, want %s", i, slot.Start, want)
		}
		day.Down, day.Known, day.Turns = day.Down+want.Down, day.Known+min(SlotTime, at-from)-want.Unknown, day.Turns+want.Turns
	}
	if diff := cmp.Diff(day, p.downtime(p.slots, Slots, SlotTime)); diff != "" {
		t.Fatalf("the day (-want +got):\n%s", diff)
	}
	from := at/dayTime*dayTime - (KeptDays-1)*dayTime
	month := m.part(from, KeptDays*dayTime, at)
	if diff := cmp.Diff(Downtime{month.Down, at - from - month.Unknown, month.Turns}, p.downtime(p.days, KeptDays, dayTime)); diff != "" {
		t.Fatalf("the month (-want +got):\n%s", diff)
	}
}
