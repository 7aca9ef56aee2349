package operate

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

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

// stopped is for how long nobody could write, as far as hooks have ended that; 0: they have not.
func stopped(f *override.Fence, now time.Time) time.Duration {
	began := f.Began(override.StopsWrites)
	if began.IsZero() {
		return 0
	}
	last := f.Steps[len(f.Steps)-1]
	if f.Stage == override.Moved || f.Stage == gone {
		now = last.Began
	}
	return now.Sub(began).Round(time.Millisecond)
}

// showFence adds what the API says of a fence.
func (op *Operator) showFence(shown *api.Switch, f *override.Fence) {
	shown.Replication, shown.AcceptLoss, shown.Wait = f.Group, f.AcceptLoss, f.Wait
	shown.Stopped = stopped(f, op.now()).Seconds()
	for _, s := range f.Steps {
		step := api.SwitchStep{Phase: api.Phase(s.Stage), Began: s.Began, Detail: s.Detail}
		switch s.Stage {
		case gone:
			continue
		case override.Moved:
			step.Phase = api.SwitchWatches
		}
		if !s.Ended.IsZero() {
			step.Took = s.Ended.Sub(s.Began).Seconds()
		}
		shown.Steps = append(shown.Steps, step)
	}
}

// fenceDetail is what a move that is under way waits for, or why it was aborted.
func (s *scene) fenceDetail(o *override.Override) string {
	f := o.Switch.Fence
	from := strings.Join(f.From, ", ")
	switch f.Stage {
	case override.StopsWrites:
		return "hook stop_writes is run, which ends writing in " + from
	case override.WritesMarks:
		return "a mark is written in " + from
	case override.AwaitsMarks:
		return "the mark of " + from + " is awaited in " + f.To + ", after which everything that was written before has arrived"
	case override.AcceptsWrites:
		return o.Pool + " is answered; hook accept_writes is run, which begins writing in " + f.To
	case override.ResumesWrites:
		return "aborted; hook resume_writes is run, which begins writing again in " + from
	}
	why := "" // the first that did not go as it should
	for i := range f.Steps {
		if i+1 < len(f.Steps) && (f.Steps[i+1].Stage == override.ResumesWrites || f.Steps[i+1].Stage == gone) && why == "" {
			why = ": " + f.Steps[i].Detail
		}
	}
	return "the move is aborted" + why + "; it is answered with " + cmp.Or(s.answered(s.set.Name(o.Name)), "nothing")
}
