package health

import (
	"math"
	"strconv"
	"time"
)

// Feedback is what the number is that a target tells beside its verdict.
type Feedback uint8

const (
	NoFeedback     Feedback = iota
	WeightFeedback          // the weight that its pool is to have
	LoadFeedback            // how loaded its pool is
)

// Load is a number that a target tells beside its verdict: a load or a weight.
type Load struct {
	Value   float64
	Percent bool     // it is a share of a hundred, such as 75%
	Kind    Feedback // set by the monitor
}

// String is the number as it was said.
func (l *Load) String() string {
	text := strconv.FormatFloat(l.Value, 'f', -1, 64)
	if l.Percent {
		text += "%"
	}
	return text
}

// LoadFrom is where a probe finds that number; the zero value: nowhere.
type LoadFrom struct {
	Source string  `json:",omitempty"` // "header", "json", …: what the check's type has
	Name   string  `json:",omitempty"` // of the header, the path
	Most   float64 `json:",omitempty"` // larger numbers are wrong
}

// String is the place as the configuration has it.
func (f LoadFrom) String() string {
	if f.Name == "" {
		return f.Source
	}
	return f.Source + ":" + f.Name
}

// smoothed is how many readings are averaged. A mean has forgotten a change completely after so many, unlike an
// exponential one, so that package steer can wait for what its own step has done.
const smoothed = 3

// LoadSettles is how long the readings of a target take to show a change in full.
func (t *Target) LoadSettles() time.Duration { return smoothed*t.Interval + t.Timeout }

// noticed is the least change, as a part of the larger value, that is told.
const noticed = 0.02

// readings are the last ones of a target.
type readings struct {
	last [smoothed]float64 // the latest first
	n    int
	at   time.Time // of the latest
}

// add takes one more reading in.
func (r *readings) add(value float64, at time.Time) {
	copy(r.last[1:], r.last[:])
	r.last[0], r.at = value, at
	r.n = min(r.n+1, smoothed)
}

func (r *readings) mean() float64 {
	sum := 0.0
	for _, value := range r.last[:r.n] {
		sum += value
	}
	return sum / float64(r.n)
}

// feed takes in what a result says of the load, and reports whether the state tells another one:
//
//	the result has   │ and                                │ then is told
//	─────────────────┼────────────────────────────────────┼─────────────────────────────────────
//	a reading        │ nothing was told yet, or of        │ the reading
//	                 │ another kind                       │
//	a reading        │ the mean of the last three differs │ the mean
//	                 │ from what was told by 2 % or more  │
//	a reading        │ anything else                      │ what was told
//	no reading       │ the latest is not older than a     │ what was told: it is held
//	                 │ verdict may be                     │
//	no reading       │ it is older                        │ nothing
func (e *entry) feed(r Result, ended time.Time) (changed bool) {
	told := e.state.Load
	if e.target.Feedback == NoFeedback {
		e.readings, e.state.Load = nil, nil
		return told != nil
	}
	if r.Notes == nil || r.Notes.Load == nil {
		if e.readings != nil && ended.Sub(e.readings.at) > e.target.StaleAfter() {
			e.readings, e.state.Load = nil, nil
		}
		return e.state.Load != told
	}
	reading := *r.Notes.Load
	reading.Kind = e.target.Feedback
	if told == nil || told.Percent != reading.Percent || told.Kind != reading.Kind {
		e.readings = new(readings)
		told = nil
	}
	e.readings.add(reading.Value, ended)
	reading.Value = e.readings.mean()
	if told != nil && math.Abs(reading.Value-told.Value) < noticed*max(reading.Value, told.Value) {
		return false
	}
	if told != nil && reading.Value == told.Value { // both are 0
		return false
	}
	e.state.Load = &reading
	return true
}

// tellSoon is how long changes of loads wait to be told together. With many targets some load always changes.
const tellSoon = time.Second

// touchSoon is touch for what may wait a moment.
func (m *Monitor) touchSoon(e *entry) {
	m.mark(e)
	m.calculate(e.id)
	if m.telling {
		return
	}
	m.telling = true
	time.AfterFunc(tellSoon, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.telling = false
		if len(m.dirty) > 0 {
			m.announce()
		}
	})
}
