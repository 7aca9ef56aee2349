// Package tap reports queries and replies to a collector, in the format of dnstap: messages of
// protocol buffers (https://dnstap.info) in Frame Streams, over a unix socket, over TCP or in a file.
//
// # Nothing waits for the collector
//
// A worker that answers queries copies those of the sample into a queue of its own (queue.go), after
// it has sent the replies. A queue has a fixed size, one writer and one reader, and no lock. If it is
// full the message is dropped, and counted. One goroutine ([Tap.Run]) empties the queues ten times a
// second, and when one is half full, packs what was in them (frame.go) and writes it (sink.go, file.go).
// Only this goroutine waits for the collector, which may be slow, dead, or hostile: every wait has a limit.
// While there is no collector, the queues keep what fits.
//
// While nothing is to be reported, a worker reads one pointer for each batch, and there are no queues.
package tap

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Settings is what is reported, and to whom. The zero value reports nothing.
type Settings struct {
	To                 Destination
	Share              float64 // of the queries, above 0 and at most 1
	Queries, Responses bool    // which messages of a query are reported
	Identity, Version  string  // of this server
}

// Destination is where the messages go. The zero value is nowhere.
type Destination struct {
	Network string // "unix", "tcp" or "file"
	Address string // of the collector, or the path
	// A file of MaxSize bytes gets another name, and so do the Keep older ones; the oldest is removed.
	MaxSize int64
	Keep    int
}

// On reports whether anything is reported.
func (s Settings) On() bool { return s.To != (Destination{}) }

// Options is what a [Tap] is made from.
type Options struct {
	Logger     *slog.Logger          // nil: nothing is logged
	Registerer prometheus.Registerer // nil: the metrics are registered nowhere
}

// Tap reports what recorders take. It is safe for concurrent use.
type Tap struct {
	logger  *slog.Logger
	changed chan struct{} // capacity 1: settings has another value
	filling chan struct{} // capacity 1: a queue is half full
	newSink func(Destination) sink

	written   prometheus.Counter
	lost      prometheus.Counter // by the writer; what finds no room is counted by the queues
	connected prometheus.Gauge

	mu        sync.Mutex
	settings  Settings
	recorders []*Recorder
}

// New makes a tap that reports nothing until Use.
func New(o Options) *Tap {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	const dropped = "gslb_dnstap_dropped_total"
	const help = "Messages of the query log (dnstap) that were not written, by the reason: full (no room in a worker's queue, " +
		"since the collector is slow or away), collector (it was lost, or the disk was full, while they were written)."
	t := &Tap{
		logger: o.Logger, changed: make(chan struct{}, 1), filling: make(chan struct{}, 1), newSink: newSink,
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gslb_dnstap_messages_total",
			Help: "Messages of the query log (dnstap) that were written to the collector or the file.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: dropped, Help: help, ConstLabels: prometheus.Labels{"reason": "collector"},
		}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gslb_dnstap_connected",
			Help: "1 while the collector of the query log (dnstap) is connected, or its file is open; 0: it is not, or there is no query log.",
		}),
	}
	if o.Registerer != nil {
		full := prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: dropped, Help: help, ConstLabels: prometheus.Labels{"reason": "full"},
		}, t.full)
		o.Registerer.MustRegister(t.written, t.lost, full, t.connected)
	}
	return t
}

// full is how many messages found no room.
func (t *Tap) full() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var n uint64
	for _, r := range t.recorders {
		n += r.full.Load()
	}
	return float64(n)
}

// Use replaces the settings.
func (t *Tap) Use(s Settings) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s == t.settings {
		return
	}
	t.settings = s
	for _, r := range t.recorders {
		r.use(s, t.filling)
	}
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// Recorder makes the recorder of one worker that listens at an address, for messages over TCP or UDP.
func (t *Tap) Recorder(at netip.AddrPort, overTCP bool) *Recorder {
	r := &Recorder{at: at, overTCP: overTCP}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recorders = append(t.recorders, r)
	r.use(t.settings, t.filling)
	return r
}

// current is the settings, and the queues that may have something.
func (t *Tap) current() (Settings, []*ring) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rings []*ring
	for _, r := range t.recorders {
		if r.ring != nil {
			rings = append(rings, r.ring)
		}
	}
	return t.settings, rings
}

// release gives up the queues if nothing is reported any more.
func (t *Tap) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settings.On() {
		return
	}
	for _, r := range t.recorders {
		r.ring = nil
	}
}
