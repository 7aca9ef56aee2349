package probe

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"gslb/health"
)

const (
	// meterEvery is how often the meter checks whether this process is late.
	meterEvery = 20 * time.Millisecond

	// onTime is how late a process may be that has enough processor time.
	onTime = 10 * time.Millisecond

	// lateSamples is how many samples are kept: those of 15 s if the process is always late.
	lateSamples = 512

	// waits is how often a probe waits for something, at most: for addresses, the
	// connection, the handshake's messages, the response, its body.
	waits = 8
)

// meter measures how late this process is: how long a goroutine that is ready to run has to wait
// for a processor. A quota of processor time, a busy host, a virtual machine that is paused or
// migrated, or a debugger can make the answer of a healthy target seem late. It is safe for
// concurrent use.
type meter struct {
	mu      sync.Mutex
	flying  int         // probes under way
	timer   *time.Timer // runs as long as any is
	due     time.Time   // when it is to fire next
	samples []sample    // the latest, in a ring once it is full
	oldest  int         // of the ring
}

// sample is one time that this process was late.
type sample struct {
	woke time.Time
	late time.Duration
}

// punctual makes a probe indeterminate if this process may have been too late to see the answer.
func (m *meter) punctual(probe health.Probe) health.Probe {
	return func(ctx context.Context) health.Result {
		began := time.Now()
		m.begin(began)
		defer m.end()
		return m.since(began, 0, probe)(ctx)
	}
}

// since is punctual for the last part of a probe that began before, and waited so long for others. The meter runs
// already.
func (m *meter) since(began time.Time, waited time.Duration, probe health.Probe) health.Probe {
	return func(ctx context.Context) health.Result {
		result := probe(ctx)
		deadline, limited := ctx.Deadline()
		if result.Verdict != health.Fail || !limited {
			return result
		}
		now := time.Now()
		late := m.lag(began, now)
		late.add(sample{now, waited}, began)
		return late.excuse(result, deadline.Sub(began))
	}
}

// begin keeps the meter running while a probe is under way.
func (m *meter) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flying++
	if m.flying > 1 {
		return
	}
	m.due = now.Add(meterEvery)
	if m.timer == nil {
		m.timer = time.AfterFunc(meterEvery, m.fire)
	} else {
		m.timer.Reset(meterEvery)
	}
}

func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flying--
	if m.flying == 0 {
		m.timer.Stop()
	}
}

// fire is called by the timer in a goroutine of its own.
func (m *meter) fire() {
	// The scheduler runs a goroutine that a timer wakes before others. The goroutine of a probe,
	// which a socket wakes, has to wait for its turn, and this measures how long.
	runtime.Gosched()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.flying > 0 {
		m.wake(time.Now())
		m.timer.Reset(meterEvery)
	}
}

// wake records that the timer has fired.
func (m *meter) wake(now time.Time) {
	if late := now.Sub(m.due); late > onTime {
		m.keep(sample{now, late})
	}
	m.due = now.Add(meterEvery)
}

func (m *meter) keep(s sample) {
	if len(m.samples) < lateSamples {
		m.samples = append(m.samples, s)
	} else {
		m.samples[m.oldest] = s
		m.oldest = (m.oldest + 1) % lateSamples
	}
}

// lag is how late a process was within some time: in total, and at most.
type lag struct{ sum, longest time.Duration }

// lag returns how late this process was between two times. The timer may be late at this moment, as
// after a pause of the process.
func (m *meter) lag(from, to time.Time) lag {
	m.mu.Lock()
	defer m.mu.Unlock()
	var l lag
	if m.flying > 0 {
		l.add(sample{to, to.Sub(m.due)}, from)
	}
	for _, s := range m.samples {
		l.add(s, from)
	}
	return l
}

// add counts the part of a sample that lies behind a time.
func (l *lag) add(s sample, from time.Time) {
	if late := min(s.late, s.woke.Sub(from)); late > onTime {
		l.sum += late
		l.longest = max(l.longest, late)
	}
}

// most is how long a probe can have been delayed: a lag delays it at most as often as it waits for something.
func (l lag) most() time.Duration { return min(l.sum, waits*l.longest) }

// excuse judges a fail once more. If this host was late for half of the timeout, it is to blame for
// a timeout or a closed connection.
//
//	result                       late for half of the timeout   becomes
//	timeout, closed by the peer  yes                            indeterminate
//	timeout, closed by the peer  no                             the same
//	any other: it was seen       whatever                       the same
func (l lag) excuse(r health.Result, timeout time.Duration) health.Result {
	late := l.most()
	if r.Reason != "timeout" && r.Reason != "closed" || late < timeout/2 {
		return r
	}
	return indeterminate("late", "this host was late by %v of %v, give this process more of the processors: %s",
		late.Round(10*time.Millisecond), timeout.Round(10*time.Millisecond), r.Detail)
}

// paced notes a pass as slow, or makes it a fail, if it took longer than the check allows.
func (m *meter) paced(probe health.Probe, slow health.Slow) health.Probe {
	if slow.After <= 0 {
		return probe
	}
	return func(ctx context.Context) health.Result {
		began := time.Now()
		result := probe(ctx)
		return m.pace(result, slow, began, time.Now())
	}
}

// pace judges how long a probe took.
//
//	took       without this host's lateness   slow fails   the pass
//	no longer  whatever                       whatever     stays
//	longer     no longer                      whatever     stays
//	longer     longer                         no           is noted as slow
//	longer     longer                         yes          fails, "slow"
func (m *meter) pace(result health.Result, slow health.Slow, began, ended time.Time) health.Result {
	took := ended.Sub(began)
	if slow.After <= 0 || result.Verdict != health.Pass || took <= slow.After || took-m.lag(began, ended).most() <= slow.After {
		return result
	}
	said := fmt.Sprintf("took %v, more than %v", took.Round(time.Millisecond), slow.After)
	notes := notesOf(result)
	if slow.Fails {
		result = fail("slow", "%s: %s", said, result.Detail)
	} else {
		result.Detail += "; slow: " + said
	}
	notes.Slow = true
	result.Notes = &notes
	return result
}
