package operate

import (
	"context"
	"sync"

	"gslb/admin/api"
	"gslb/override"
)

// fences is the fenced moves that are carried on, each by a goroutine. It is safe for concurrent use.
type fences struct {
	mu      sync.Mutex
	running map[string]context.CancelFunc // by ID: ends what is done for the present stage
	ended   map[string]*api.Switch        // by name: those that were aborted, as they were last
	group   sync.WaitGroup
}

const mostEnded = 100 // moves that are remembered

func newFences() *fences {
	return &fences{running: make(map[string]context.CancelFunc), ended: make(map[string]*api.Switch)}
}

// carryOn carries on a move that is due, unless that is done already.
func (op *Operator) carryOn(ctx context.Context, o *override.Override) {
	fence := o.Switch.Fence
	if fence.Stage == override.Moved || fence.Stage == override.LowersTTL && op.now().Before(fence.Lowered) {
		return
	}
	f := op.fences
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, is := f.running[o.ID()]; is {
		return
	}
	f.running[o.ID()] = func() {}
	f.group.Go(func() {
		op.runFence(ctx, o)
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.running, o.ID())
	})
}

// stage makes the context for a stage of a move, which interrupt ends.
func (f *fences) stage(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[id] = cancel
	return ctx, cancel
}

// interrupt ends what is done for the present stage of a move.
func (f *fences) interrupt(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cancel, is := f.running[id]; is {
		cancel()
	}
}

// end remembers a move that was aborted.
func (f *fences) end(shown *api.Switch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ended) >= mostEnded {
		clear(f.ended)
	}
	f.ended[shown.Name] = shown
}

// lastOf is how the last move of a name was aborted; nil: it was not.
func (f *fences) lastOf(name string) *api.Switch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended[name]
}

// forget forgets that.
func (f *fences) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.ended, name)
}
