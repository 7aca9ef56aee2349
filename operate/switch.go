package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/journal"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// A planned move is a pin with a time. What it has come to follows from the pin and the clock alone, so
// that it goes on over a restart:
//
//	Since                Move                  settled
//	  │ the TTL is ttl_min │ the pool is answered │ the pin stays
//	  └─── the old TTL ────┴─── as long again ────┘
//	    lowering_ttl         watching               done
//
// A move that leaves regions whose data the new one gets has more stages (fence.go), and settles as long after
// it has moved as caches have had an answer with the old TTL.
//
// At Move no cache has an answer with the old TTL any more, so that clients follow within ttl_min.

// settled is when the last client has moved.
func settled(o *override.Override) time.Time {
	lowered := o.Switch.Move
	if f := o.Switch.Fence; f != nil {
		lowered = f.Lowered
	}
	return o.Switch.Move.Add(lowered.Sub(o.Since))
}

// phase is how far a planned move has come.
func phase(o *override.Override, now time.Time) api.Phase {
	f := o.Switch.Fence
	switch {
	case f != nil && f.Stage == gone:
		return api.SwitchAborted
	case f != nil && f.Stage != override.Moved:
		return api.Phase(f.Stage)
	case now.Before(o.Switch.Move):
		return api.SwitchLowersTTL
	case now.Before(settled(o)):
		return api.SwitchWatches
	}
	return api.SwitchDone
}

// Switch begins a planned move of a name.
func (op *Operator) Switch(ctx context.Context, by, name string, r *api.SwitchRequest) (*api.Switch, error) {
	s, end, err := op.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	o, err := op.newMove(s, by, name, r)
	if err != nil {
		return nil, err
	}
	if err := op.book.Put(ctx, *o); err != nil {
		return nil, notKept(err)
	}
	op.fences.forget(o.Name)
	select {
	case op.moves <- struct{}{}:
	default:
	}
	return op.showServed(ctx, o)
}

// newMove is the move that a request asks for, unless something speaks against it.
func (op *Operator) newMove(s *scene, by, name string, r *api.SwitchRequest) (*override.Override, error) {
	now := op.now()
	o, err := s.parse(&api.OverrideRequest{Kind: string(override.Pin), Name: name, Pool: r.To, Reason: cmp.Or(r.Reason, "planned move"), Force: r.Force}, by, now)
	if err != nil {
		return nil, err
	}
	o.Switch = &override.Switch{From: s.answered(s.set.Name(o.Name)), Move: now.Add(oldTTL(s.set.Name(o.Name)))}
	if before := op.book.Words().Pin(o.Name); before != nil {
		if before.IsUnderWay() {
			return nil, underWay(before)
		}
		if before.Switch != nil && phase(before, now) == api.SwitchLowersTTL {
			return nil, api.NewProblem(api.Conflict, "%s is about to move to %s at %s: abort that first", zones.Plain(o.Name), before.Pool, clock(before.Switch.Move))
		}
		was := *before
		was.Switch = nil
		o.Switch.Before = &was
	}
	if why := s.notUsable(o.Pool); why != "" && !o.Anyway {
		return nil, api.NewProblem(api.NotUsable, "%s is not moved: pool %q is %s", zones.Plain(o.Name), o.Pool, why)
	}
	if why := s.notCurrent(s.set.Name(o.Name), o.Pool, now); why != "" && !r.AcceptLoss {
		return nil, api.NewProblem(api.DataBehind, "%s is not moved, since clients may miss what was written elsewhere: the data of pool %q is %s", zones.Plain(o.Name), o.Pool, why)
	}
	if o.Switch.From == o.Pool {
		return nil, api.NewProblem(api.Conflict, "%s answers with %s already; to keep it there, pin it", zones.Plain(o.Name), o.Pool)
	}
	if o.Switch.Fence, err = s.fenceOf(o, r); err != nil {
		return nil, err
	}
	if o.Switch.Fence != nil {
		if err := op.checkHooks(s.set.Pool(o.Pool).Replication); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// oldTTL is how long caches may have an answer that a name gave before its TTL was lowered.
func oldTTL(name *zones.Name) time.Duration { return max(name.Steering.TTL, name.Steering.TTLMin) }

// answered is what a name answers: its pools, of several views those that differ.
func (s *scene) answered(name *zones.Name) string {
	var list []string
	for _, d := range s.table.DecisionsOf(name) {
		if what := d.Described(); what != "" && !slices.Contains(list, what) {
			list = append(list, what)
		}
	}
	return strings.Join(list, ", ")
}

// notUsable is why nobody should be sent to a pool; empty: nothing speaks against it.
func (s *scene) notUsable(pool string) string {
	state := s.table.Pools()[s.set.Pool(pool).Index]
	switch {
	case state.Status != health.Up:
		return fmt.Sprintf("%s (%s)", state.Status, state.Why)
	case state.Drained():
		return "drained"
	case len(state.Members) == 0 && state.Pool.CNAME == "":
		return "without an address"
	}
	return ""
}

// showServed waits until all that is due is served, and shows a planned move.
func (op *Operator) showServed(ctx context.Context, o *override.Override) (*api.Switch, error) {
	op.settle(ctx)
	s, _ := op.scene()
	return op.showSwitch(s, o), nil
}

// settle waits until all that is due is served. What is kept, or due, is answered soon in any case.
func (op *Operator) settle(ctx context.Context) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	_ = op.publisher.Settle(bounded)
}

// SwitchOf tells how far a planned move is.
func (op *Operator) SwitchOf(ctx context.Context, name string) (*api.Switch, error) {
	s, err := op.scene()
	if err != nil {
		return nil, err
	}
	o, err := op.switchOf(s, name)
	if err != nil {
		if last := op.fences.lastOf(zones.Qualified(name)); last != nil {
			return last, nil
		}
		return nil, err
	}
	return op.showServed(ctx, o)
}

// switchOf is the planned move of a name.
func (op *Operator) switchOf(s *scene, name string) (*override.Override, error) {
	name = zones.Qualified(name)
	o := op.book.Words().Pin(name)
	switch {
	case o != nil && o.Switch != nil:
		return o, nil
	case s.set.Name(name) == nil:
		return nil, unknownName(s.set, name)
	case o != nil:
		return nil, api.NewProblem(api.NotFound, "%s is pinned to %s, and is not being moved; gslb unpin ends that", zones.Plain(name), o.Pool)
	}
	return nil, api.NewProblem(api.NotFound, "%s is not being moved", zones.Plain(name))
}

// Abort ends a planned move. What was pinned before it, and would be still, is so again.
func (op *Operator) Abort(ctx context.Context, by, name string) (*api.Switch, error) {
	s, end, err := op.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	o, err := op.switchOf(s, name)
	if err != nil {
		return nil, err
	}
	if f := o.Switch.Fence; f != nil && f.Stage != override.LowersTTL {
		return op.abortFence(ctx, s, o, by)
	}
	if err := op.forget(ctx, o, by); err != nil {
		return nil, notKept(err)
	}
	op.report(o, api.SwitchAborted, by, "")
	shown, err := op.showServed(ctx, o)
	if err == nil {
		shown.Phase, shown.Detail = api.SwitchAborted, "the move is aborted"
		if after, err := op.scene(); err == nil && after.set.Name(o.Name) != nil {
			shown.Detail += "; it is answered with " + cmp.Or(after.answered(after.set.Name(o.Name)), "nothing")
		}
	}
	return shown, err
}

// forget ends the pin of a planned move. What it took the place of, and would be still, is in force again.
func (op *Operator) forget(ctx context.Context, o *override.Override, by string) error {
	if before := o.Switch.Before; before != nil && before.InForce(op.now()) {
		return op.book.Put(ctx, *before)
	}
	_, err := op.book.Remove(ctx, []string{o.ID()}, by, "the planned move was aborted")
	return err
}

// tooLate is why a move can't be aborted; nil: it can.
func tooLate(o *override.Override) error {
	if f := o.Switch.Fence; f == nil || !f.Stage.HasMoved() {
		return nil
	}
	name := zones.Plain(o.Name)
	return api.NewProblem(api.Conflict, "%s has moved to %s, where something may have been written since then: gslb switch %s --to %s moves it back without losing that, and gslb unpin %s leaves it to the probes", name, o.Pool, name, cmp.Or(o.Switch.From, "POOL"), name)
}

// abortFence has a move that is under way begin writing again, and then end.
func (op *Operator) abortFence(ctx context.Context, s *scene, o *override.Override, by string) (*api.Switch, error) {
	if err := tooLate(o); err != nil {
		return nil, err
	}
	if o.Switch.Fence.Stage == override.ResumesWrites {
		return op.showSwitch(s, o), nil
	}
	next, move := *o, *o.Switch
	move.Fence = move.Fence.Enter(override.ResumesWrites, "aborted by "+by, op.now())
	next.Switch = &move
	if err := op.book.Advance(ctx, o, &next); err != nil {
		return nil, notKept(err)
	}
	op.fences.interrupt(o.ID())
	op.report(&next, api.SwitchResumesWrites, by, "")
	return op.showSwitch(s, &next), nil
}

// showSwitch is a planned move as the API has it. The scene may be nil.
func (op *Operator) showSwitch(s *scene, o *override.Override) *api.Switch {
	now := op.now()
	shown := &api.Switch{
		Name: o.Name, From: o.Switch.From, To: o.Pool, Phase: phase(o, now), By: o.By, Reason: o.Reason,
		Since: o.Since, Move: o.Switch.Move, Settled: settled(o),
	}
	if f := o.Switch.Fence; f != nil {
		op.showFence(shown, f)
	}
	if s == nil || !s.matches(o) {
		shown.Detail = "the configuration does not have the name with this pool, so that nothing moves"
		return shown
	}
	state := s.table.Pools()[s.set.Pool(o.Pool).Index]
	shown.Status = state.Status
	switch followed := s.follows(o); {
	case o.Switch.Fence != nil && o.Switch.Fence.Stage != override.LowersTTL && o.Switch.Fence.Stage != override.Moved:
		shown.Detail = s.fenceDetail(o)
	case shown.Phase == api.SwitchLowersTTL:
		shown.Detail = "answers have a low TTL; the old one has run out everywhere at " + clock(o.Switch.Move)
		if why := s.notUsable(o.Pool); why != "" {
			shown.Detail += "; the pool is " + why
		}
	case !followed:
		shown.Detail = fmt.Sprintf("%s is not answered, since it is %s (%s); %s is", o.Pool, state.Status, state.Why, cmp.Or(s.answered(s.set.Name(o.Name)), "nothing"))
	case shown.Phase == api.SwitchWatches:
		shown.Detail = fmt.Sprintf("%s is answered; the last clients follow by %s", o.Pool, clock(shown.Settled))
	default:
		shown.Detail = fmt.Sprintf("%s is answered, and all clients have moved; the pin stays until gslb unpin %s", o.Pool, zones.Plain(o.Name))
	}
	return shown
}

// follows reports whether a name answers the pool that it is pinned to.
func (s *scene) follows(o *override.Override) bool {
	return slices.ContainsFunc(s.table.DecisionsOf(s.set.Name(o.Name)), func(d *steer.Decision) bool { return d.Mode == steer.Pinned })
}

// watchEvery is how often planned moves that are under way are looked at. It has nothing to do with
// when they move, which the publisher does by itself.
const watchEvery = time.Second

// Run watches planned moves until they are done, and reports what becomes of them, until ctx ends.
func (op *Operator) Run(ctx context.Context) error {
	defer op.fences.group.Wait()
	known := make(map[string]seen) // by ID and time of the move
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-op.moves:
		case <-tick.C:
		}
		for _, o := range op.book.Words().Pins() {
			if o.Switch != nil && o.Switch.Fence != nil {
				op.carryOn(ctx, o)
			}
		}
		known = op.watch(ctx, known)
	}
}

// seen is what was last reported of a planned move.
type seen struct {
	phase    api.Phase
	followed bool
}

// watch reports what has become of planned moves, and returns what is known of them then.
func (op *Operator) watch(ctx context.Context, known map[string]seen) map[string]seen {
	now, next := op.now(), make(map[string]seen)
	var moving []*override.Override
	for _, o := range op.book.Words().Pins() {
		if o.Switch == nil {
			continue
		}
		was, again := known[key(o)]
		next[key(o)] = was
		switch phase := phase(o, now); {
		case o.Switch.ToCome(now), phase == api.SwitchAcceptsWrites, again && was.phase == api.SwitchDone:
		case phase == api.SwitchDone && !again: // in a run before
			next[key(o)] = seen{phase: phase}
		default:
			moving = append(moving, o)
		}
	}
	if len(moving) == 0 || op.publisher.Settle(ctx) != nil { // what is due is served then
		return next
	}
	s, err := op.scene()
	if err != nil {
		return next
	}
	for _, o := range moving {
		if !s.matches(o) {
			continue
		}
		is := seen{phase(o, now), s.follows(o)}
		if is != known[key(o)] {
			shown := op.showSwitch(s, o)
			if !is.followed {
				op.logger.Warn("a name is not where it was to be moved to", "name", o.Name, "to", o.Pool, "why", shown.Detail)
			}
			op.report(o, is.phase, "", shown.Detail)
		}
		next[key(o)] = is
	}
	return next
}

// key tells planned moves apart, also of one name.
func key(o *override.Override) string { return o.ID() + " " + clock(o.Switch.Move) }

// report tells what became of a planned move.
func (op *Operator) report(o *override.Override, phase api.Phase, by, why string) {
	op.logger.Info("a planned move", "name", o.Name, "from", o.Switch.From, "to", o.Pool, "phase", string(phase), "by", cmp.Or(by, o.By), "why", why)
	if op.tell != nil {
		op.tell(journal.Event{Kind: journal.Switch, Subject: o.Name, From: o.Switch.From, To: o.Pool, Why: cmp.Or(why, string(phase)), By: by})
	}
}
