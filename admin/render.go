package admin

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// Bounds on what requests together may take of processor and memory.
const (
	// renderingsAlive is how many values of different moments may be in use. If another one is
	// needed, the readers of the oldest are too slow, and are cut off.
	renderingsAlive = 4

	// A value is shared for a hundred times as long as it took to make, at most shareLongest.
	// So making values takes at most 1 % of a processor, and a small configuration, which takes
	// microseconds, always shows a fresh one.
	shareFactor  = 100
	shareLongest = time.Second

	pieceSize  = 32 << 10         // bytes that are rendered at a time
	turnLength = 10 * time.Second // how long a request waits for its turn
)

// errBusy is the answer to a request that waited for its turn in vain.
var errBusy = errors.New("too many requests at once; try again in a few seconds")

// errCut ends a response whose reader was too slow.
var errCut = errors.New("the client reads too slowly")

// shared makes values that are expensive to make or to keep. It makes one at a time, gives the
// same one to everybody who asks within a short time, and has at most renderingsAlive of them
// in use.
type shared[K comparable, V any] struct {
	turn  chan struct{} // holds a token while a value is made or alive is changed
	alive []*use[V, K]  // the oldest first
}

// use is one value and those who read it.
type use[V any, K comparable] struct {
	key     K
	value   V
	until   time.Time // after that it is not given to anybody else
	readers map[*reader]struct{}
}

// reader is somebody who uses a value.
type reader struct{ cancel context.CancelCauseFunc }

func newShared[K comparable, V any]() *shared[K, V] {
	return &shared[K, V]{turn: make(chan struct{}, 1)}
}

// take returns a value for the key that is fresh, and lends it until release is called. The
// context that it returns ends when the reader must stop. The error is errBusy, or that of
// ctx.
func (s *shared[K, V]) take(ctx context.Context, key K, make func() V) (value V, lent context.Context, release func(), err error) {
	if err := waitFor(ctx, s.turn); err != nil {
		return value, nil, nil, err
	}
	defer func() { <-s.turn }()
	u := s.fresh(key)
	if u == nil {
		u = s.make(key, make)
	}
	lent, cancel := context.WithCancelCause(ctx)
	r := &reader{cancel}
	u.readers[r] = struct{}{}
	return u.value, lent, func() {
		cancel(nil)
		s.turn <- struct{}{}
		defer func() { <-s.turn }()
		delete(u.readers, r)
		s.forget()
	}, nil
}

func (s *shared[K, V]) fresh(key K) *use[V, K] {
	now := time.Now()
	for _, u := range s.alive {
		if u.key == key && now.Before(u.until) {
			return u
		}
	}
	return nil
}

func (s *shared[K, V]) make(key K, make func() V) *use[V, K] {
	begun := time.Now()
	u := &use[V, K]{key: key, value: make(), readers: map[*reader]struct{}{}}
	keep := min(shareFactor*time.Since(begun), shareLongest)
	u.until = time.Now().Add(keep)
	if len(s.alive) == renderingsAlive {
		for r := range s.alive[0].readers {
			r.cancel(errCut)
		}
		s.alive = s.alive[1:]
	}
	s.alive = append(slices.Clip(s.alive), u)
	// A value that nobody reads must not stay in memory until the next request.
	time.AfterFunc(keep, func() {
		s.turn <- struct{}{}
		defer func() { <-s.turn }()
		s.forget()
	})
	return u
}

// forget drops values that are not used and too old to be given to anybody.
func (s *shared[K, V]) forget() {
	now := time.Now()
	s.alive = slices.DeleteFunc(s.alive, func(u *use[V, K]) bool { return len(u.readers) == 0 && !now.Before(u.until) })
}

// waitFor puts a token into a channel, and waits for room for a bounded time.
func waitFor(ctx context.Context, turn chan struct{}) error {
	select { // without a timer where there is room
	case turn <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(turnLength)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stream sends a body in pieces while it is rendered, so that the whole is never in memory. A
// request needs a slot to render. It gives the slot back while it sends a piece, so that a slow
// client cannot keep others waiting.
type stream struct {
	slots chan struct{}
	ctx   context.Context
	w     io.Writer
	held  bool
}

// stream sends the body that render writes. It fails if there is no room, and then has sent nothing. ctx ends when the client is to be cut off. A body
// that could not be rendered to its end breaks the connection: a client must not take it for
// the whole.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, render func(*bufio.Writer) error) error {
	defer cutOff(ctx, w)()
	t := &stream{slots: s.slots, ctx: ctx, w: w}
	defer t.release()
	if err := t.acquire(); err != nil {
		return errBusy
	}
	out := bufio.NewWriterSize(t, pieceSize)
	err := render(out)
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && !errors.As(err, new(sendError)) {
		s.options.Logger.Error("an answer of the admin server could not be rendered; please report it", "error", err)
	}
	panic(http.ErrAbortHandler)
}

// cutOff unblocks, when ctx ends, a write to a client that does not read. The caller must call
// stop after the last write.
func cutOff(ctx context.Context, w http.ResponseWriter) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
	})
}

// sendError is an error of the client's connection.
type sendError struct{ error }

// Write implements io.Writer.
func (t *stream) Write(p []byte) (int, error) {
	t.release()
	n, err := t.w.Write(p)
	if err != nil {
		return n, sendError{err}
	}
	return n, t.acquire()
}

func (t *stream) acquire() error {
	if err := waitFor(t.ctx, t.slots); err != nil {
		return sendError{err}
	}
	t.held = true
	return nil
}

func (t *stream) release() {
	if t.held {
		<-t.slots
		t.held = false
	}
}

// refuseBusy answers a request that did not get its turn in time.
func refuseBusy(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}
