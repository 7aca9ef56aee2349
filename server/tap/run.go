package tap

import (
	"context"
	"encoding/binary"
	"time"

	"gslb/server/wait"
)

const (
	// drainEvery is how often the queues are emptied. A worker wakes nobody for a single message, since that
	// costs more than the query, but when its queue is half full.
	drainEvery = 100 * time.Millisecond
	// atOnce is how many bytes are written at once, and how much of one queue is taken before the
	// others get their turn.
	atOnce = 64 << 10
	// settled is how long a collector that was away must have been there to count as back.
	settled = 3 * time.Second
	// endWait is how long what is left at the end may take to be written.
	endWait = time.Second
)

// sink is where frames go. It is used by one goroutine.
type sink interface {
	// open makes the sink ready, for the first time or again after an error.
	open(ctx context.Context) error
	// write writes frames, and returns how many bytes the sink has taken. After an error the sink has to
	// be opened again. Once ctx has ended, it returns after endWait at most.
	write(ctx context.Context, frames []byte) (n int, err error)
	// close ends an open sink in an orderly way. It waits for endWait at most.
	close() error
}

// Run reports until ctx ends, and then what is still in the queues. It returns nil.
func (t *Tap) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		s, _ := t.current()
		if s.On() {
			t.report(ctx, s)
			continue
		}
		t.release()
		select {
		case <-ctx.Done():
		case <-t.changed:
		}
	}
	return nil
}

// report reports to one destination until ctx ends, or the settings have another.
func (t *Tap) report(ctx context.Context, s Settings) {
	w := &writer{Tap: t, settings: s, sink: t.newSink(s.To), pack: newPacker(s.Identity, s.Version)}
	var pause wait.Backoff
	for {
		err := w.sink.open(ctx)
		if err == nil {
			t.connected.Set(1)
			err = w.pump(ctx, &pause)
			t.connected.Set(0)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if !w.failing {
			w.failing = true
			t.logger.Warn("the query log can't be written and is tried again; answers are not affected, and messages that find no room are dropped",
				"to", s.To.String(), "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.changed:
			if next, _ := t.current(); next.To != s.To {
				return
			}
			w.renew()
		case <-time.After(pause.Grow()):
		}
	}
}

// writer empties the queues into a sink.
type writer struct {
	*Tap
	settings Settings
	sink     sink
	pack     *packer
	out      []byte // frames that are not written yet
	begun    bool   // the destination was open once
	failing  bool   // and that was logged
}

// pump writes what comes until ctx ends or the settings have another destination, when it returns nil,
// or until writing fails.
func (w *writer) pump(ctx context.Context, pause *wait.Backoff) error {
	if !w.begun && !w.failing {
		w.logger.Info("the query log is written", "to", w.settings.To.String(), "share", w.settings.Share)
	}
	w.begun = true
	since := time.Now()
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for {
		last := false
		select {
		case <-ctx.Done():
			last = true
		case <-w.changed:
			next, _ := w.current()
			if last = next.To != w.settings.To; !last {
				w.renew()
			}
		case <-ticker.C:
		case <-w.filling:
		}
		if err := w.drain(ctx, last); err != nil {
			return err
		}
		if last {
			if err := w.sink.close(); err != nil {
				w.logger.Debug("the end of the query log was not acknowledged", "to", w.settings.To.String(), "error", err)
			}
			return nil
		}
		if time.Since(since) > settled {
			pause.Reset()
			if w.failing {
				w.failing = false
				w.logger.Info("the query log is written again", "to", w.settings.To.String())
			}
		}
	}
}

// renew takes the settings that are new, with the same destination.
func (w *writer) renew() {
	w.settings, _ = w.current()
	w.pack = newPacker(w.settings.Identity, w.settings.Version)
}

// drain writes what is in the queues. Unless it is for the last time, it returns early if something
// else is to be done. The last time it takes as much as the queues can hold, since workers go on filling them if
// the messages are to go elsewhere.
func (w *writer) drain(ctx context.Context, last bool) error {
	const rounds = ringSize/atOnce + 1
	_, rings := w.current()
	more := true
	for round := 0; more && (last && round < rounds || !last && ctx.Err() == nil && len(w.changed) == 0); round++ {
		more = false
		for _, r := range rings {
			some, err := w.take(ctx, r)
			if err != nil {
				return err
			}
			more = more || some
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// take packs some of what is in a queue, and reports whether there may be more.
func (w *writer) take(ctx context.Context, r *ring) (more bool, err error) {
	for taken := 0; taken < atOnce; {
		rec, found := r.next()
		if !found {
			return false, nil
		}
		w.out, _ = w.pack.append(w.out, &rec)
		taken += rec.size
		r.done(rec)
		if len(w.out) >= atOnce {
			if err := w.flush(ctx); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// flush writes the frames that were packed. Those that the sink has not taken whole are lost.
func (w *writer) flush(ctx context.Context) error {
	if len(w.out) == 0 {
		return nil
	}
	n, err := w.sink.write(ctx, w.out)
	written, lost, _ := countFrames(w.out, n)
	w.written.Add(float64(written))
	w.lost.Add(float64(lost))
	if w.out = w.out[:0]; cap(w.out) > 4*atOnce {
		w.out = nil
	}
	return err
}

// countFrames returns how many of some frames lie within the first n bytes, how many do not, and the
// size of the former.
func countFrames(frames []byte, n int) (within, beyond, size int) {
	for at := 0; at < len(frames); {
		at += 4 + int(binary.BigEndian.Uint32(frames[at:]))
		if at <= n {
			within++
			size = at
		} else {
			beyond++
		}
	}
	return within, beyond, size
}
