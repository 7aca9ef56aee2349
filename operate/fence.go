package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/override"
	"gslb/replication"
	"gslb/zones"
)

// A planned move between regions whose data is replicated is fenced: the answer moves when what was written
// in the regions that are left has arrived in the new one.
//
//	stage            │ what is done                                 │ goes on when         │ fails when
//	─────────────────┼──────────────────────────────────────────────┼──────────────────────┼─────────────────────────
//	lowering_ttl     │ answers have ttl_min                         │ the old TTL has run  │ the pool is not usable
//	                 │                                              │ out everywhere       │ then
//	stopping_writes  │ hook stop_writes; skipped if there is none   │ it has succeeded     │ it fails
//	marking          │ a mark is written through each region that   │ all are written      │ that takes `wait`
//	                 │ is left                                      │                      │
//	awaiting_marks   │ the marks are looked for in the new region   │ all are there        │ that and marking take
//	                 │                                              │                      │ `wait`; the pool is not
//	                 │                                              │                      │ usable then
//	accepting_writes │ the answer has moved; hook accept_writes     │ it has succeeded     │ it fails so many times
//	moved            │ nothing: the pin stays                       │                      │
//	resuming_writes  │ hook resume_writes                           │ it has succeeded, or │
//	                 │                                              │ fails so many times  │
//
// What fails up to awaiting_marks aborts the move, by resuming_writes if writing may have been ended: then
// the name answers again what it would without the move. With accept_loss the move goes on instead, unless the
// pool is not usable. After the answer has moved it does not go back by itself, since something may have been
// written in the new region: what fails then is reported.
//
// Each stage is kept before it is begun. A restart begins the stage where it was again, so that hooks may be
// run twice; the time that `wait` allows goes on while there is no server.

const (
	hookTries = 3 // of a hook that there is no way back from
	keepTries = 3 // of a stage that cannot be kept
	keepRetry = time.Second
	turnWait  = 10 * time.Second // for other commands
)

// fenceOf is the fence that a move needs; nil: it leaves no region whose data the new one gets.
func (s *scene) fenceOf(o *override.Override, r *api.SwitchRequest) (*override.Fence, error) {
	to := s.set.Pool(o.Pool)
	var from []string
	for _, d := range s.table.DecisionsOf(s.set.Name(o.Name)) {
		for i := range d.Shares {
			if p := d.Shares[i].Pool; to.Replication != nil && p.Replication == to.Replication && p.Region != to.Region {
				from = append(from, p.Region)
			}
		}
	}
	slices.Sort(from)
	from = slices.Compact(from)
	if len(from) == 0 {
		if r.Wait != "" || r.AcceptLoss {
			return nil, api.NewProblem(api.BadRequest, "wait, accept_loss: nothing is waited for, since no region with a replication of pool %q is left", o.Pool)
		}
		return nil, nil
	}
	wait := 2 * to.Replication.MaxLag
	if r.Wait != "" {
		var err error
		if wait, err = time.ParseDuration(r.Wait); err != nil || wait < time.Second || wait > override.Longest {
			return nil, api.NewProblem(api.BadRequest, `wait: %q is not a time such as "90s", from 1s`, r.Wait)
		}
	}
	f := &override.Fence{Group: to.Replication.Name, From: from, To: to.Region, Lowered: o.Switch.Move, Wait: wait.Seconds(), AcceptLoss: r.AcceptLoss}
	return f.Enter(override.LowersTTL, "", o.Since), nil
}

// checkHooks refuses a move whose hooks would fail when the old TTL has been waited out.
func (op *Operator) checkHooks(group *replication.Group) error {
	for _, h := range []struct {
		name string
		hook *replication.Hook
	}{{stopWrites, group.StopWrites}, {acceptWrites, group.AcceptWrites}, {resumeWrites, group.ResumeWrites}} {
		if h.hook == nil {
			continue
		}
		if err := op.hooks.Check(h.hook); err != nil {
			return api.NewProblem(api.Conflict, "hook %s of replication %q cannot be run: %v", h.name, group.Name, err)
		}
	}
	return nil
}

// notCurrent is why nobody should be sent to the data of a pool; empty: nothing speaks against it.
func (s *scene) notCurrent(name *zones.Name, pool string, now time.Time) string {
	state := s.table.Pools()[s.set.Pool(pool).Index]
	switch from := state.CaughtUp.Add(name.Steering.FailbackAfter); {
	case !state.Degraded.IsZero():
		return "degraded (" + state.Why + ")"
	case !state.CaughtUp.IsZero() && now.Before(from):
		return "current for too short a time: failback_after has passed at " + clock(from)
	}
	return ""
}

// fencer carries a fenced move through its stages.
type fencer struct {
	op   *Operator
	kept *override.Override // as it is in the book
	now  *override.Override // as it is: what cannot be kept is done nevertheless if it must be
}

// runFence carries on a move until it is made or aborted, or ctx ends.
func (op *Operator) runFence(ctx context.Context, o *override.Override) {
	f := &fencer{op: op, kept: o, now: o}
	for ctx.Err() == nil {
		stage, cancel := op.fences.stage(ctx, o.ID())
		next, detail := f.perform(stage)
		cancel()
		if ctx.Err() != nil {
			return // the next run goes on here
		}
		if !f.enter(ctx, next, detail) {
			return
		}
	}
}

// gone is the stage of a move that is aborted and forgotten.
const gone override.Stage = ""

// perform does what a stage is for, and returns what is next, and what became of it.
func (f *fencer) perform(ctx context.Context) (next override.Stage, detail string) {
	fence := f.now.Switch.Fence
	failed := func(next override.Stage, err error) (override.Stage, string) {
		if fence.AcceptLoss && !errors.Is(err, errNotUsable) {
			return next, err.Error() + "; gone on with, since loss is accepted"
		}
		if fence.Stage == override.LowersTTL {
			return gone, err.Error()
		}
		return override.ResumesWrites, err.Error()
	}
	group, err := f.group()
	if err != nil && !fence.Stage.HasMoved() && fence.Stage != override.ResumesWrites {
		return failed(override.ResumesWrites, err)
	}
	switch fence.Stage {
	case override.LowersTTL:
		if err := f.usable(); err != nil {
			return failed(override.StopsWrites, err)
		}
		if group.StopWrites == nil {
			return override.WritesMarks, "the old TTL has run out everywhere; no hook ends writing, so that it goes on until the answer has moved"
		}
		return override.StopsWrites, "the old TTL has run out everywhere"
	case override.StopsWrites:
		if group.StopWrites == nil { // since a reload
			return override.WritesMarks, "no hook is configured"
		}
		if err := f.run(ctx, group.StopWrites, stopWrites, 1); err != nil {
			return failed(override.WritesMarks, err)
		}
		return override.WritesMarks, "writing has ended"
	case override.WritesMarks:
		if err := f.writeMarks(ctx, group); err != nil {
			return failed(override.AwaitsMarks, err)
		}
		return override.AwaitsMarks, "written in " + strings.Join(fence.From, ", ")
	case override.AwaitsMarks:
		err := f.awaitMarks(ctx, group)
		if err == nil {
			detail = "everything has arrived in " + fence.To
		} else if next, detail = failed(override.AcceptsWrites, err); next != override.AcceptsWrites {
			return next, detail
		}
		if err := f.usable(); err != nil {
			return failed(override.AcceptsWrites, err)
		}
		return override.AcceptsWrites, detail
	case override.AcceptsWrites:
		switch {
		case group == nil:
			detail = "accept_writes was not run: " + err.Error()
		case group.AcceptWrites == nil:
			return override.Moved, "no hook is configured"
		default:
			if err := f.run(ctx, group.AcceptWrites, acceptWrites, hookTries); err == nil {
				return override.Moved, "writing has begun in " + fence.To
			} else {
				detail = err.Error()
			}
		}
		f.op.logger.Error("a name has moved, and writing may not be possible in the new region: have it begun by hand", "name", f.now.Name, "region", fence.To, "error", detail)
		return override.Moved, detail + "; have writing begun by hand"
	case override.ResumesWrites:
		switch {
		case group == nil:
			detail = "resume_writes was not run: " + err.Error()
		case group.ResumeWrites == nil:
			return gone, "no hook is configured"
		default:
			if err := f.run(ctx, group.ResumeWrites, resumeWrites, hookTries); err == nil {
				return gone, "writing has begun again in " + strings.Join(fence.From, ", ")
			} else {
				detail = err.Error()
			}
		}
		f.op.logger.Error("a move was aborted, and writing may not be possible: have it begun again by hand", "name", f.now.Name, "regions", fence.From, "error", detail)
		return gone, detail + "; have writing begun again by hand"
	}
	return override.Moved, ""
}

// errNotUsable is wrapped by what ends a move even if loss is accepted.
var errNotUsable = errors.New("clients would be sent to what does not work")

// usable reports why the answer must not move.
func (f *fencer) usable() error {
	s, err := f.op.scene()
	if err != nil {
		return err
	}
	if !s.matches(f.now) {
		return fmt.Errorf("the configuration does not have the name with pool %q: %w", f.now.Pool, errNotUsable)
	}
	if why := s.notUsable(f.now.Pool); why != "" && !f.now.Anyway {
		return fmt.Errorf("pool %q is %s: %w", f.now.Pool, why, errNotUsable)
	}
	return nil
}

// group is the replication of the move, as it is configured.
func (f *fencer) group() (*replication.Group, error) {
	s, err := f.op.scene()
	if err != nil {
		return nil, err
	}
	for _, g := range s.set.Replications {
		if g.Name == f.now.Switch.Fence.Group {
			return g, nil
		}
	}
	return nil, fmt.Errorf("the configuration has no replication %q: %w", f.now.Switch.Fence.Group, errNotUsable)
}

// run runs a hook, and tries again if it fails.
func (f *fencer) run(ctx context.Context, hook *replication.Hook, name string, tries int) (err error) {
	fence := f.now.Switch.Fence
	call := HookCall{
		Hook: name, Name: f.now.Name, From: f.now.Switch.From, To: f.now.Pool, FromRegions: fence.From, ToRegion: fence.To,
		Replication: fence.Group, By: f.now.By, Reason: f.now.Reason,
	}
	if group, err := f.group(); err == nil {
		call.Table = group.Table
	}
	for i := range tries {
		if i > 0 {
			sleep(ctx, keepRetry)
		}
		if err = f.op.hooks.Run(ctx, hook, call); err == nil || ctx.Err() != nil {
			break
		}
		f.op.logger.Warn("a hook of a planned move failed", "hook", name, "name", f.now.Name, "attempt", i+1, "error", err)
	}
	if err != nil {
		return fmt.Errorf("hook %s failed: %w", name, err)
	}
	return nil
}

// enter keeps the next stage and begins it. It reports whether there is more to do.
func (f *fencer) enter(ctx context.Context, stage override.Stage, detail string) bool {
	for tries := 1; ctx.Err() == nil; tries++ {
		next := f.next(stage, detail)
		err := f.keep(ctx, next)
		if errors.Is(err, override.ErrOther) {
			return f.overtaken()
		}
		if err == nil {
			f.kept, f.now = next, next
			return stage != gone && f.begun(ctx, detail)
		}
		f.op.logger.Error("a planned move does not go on, since its stage cannot be kept", "name", f.now.Name, "stage", string(stage), "error", err)
		if tries >= keepTries {
			switch stage {
			case gone, override.Moved: // nothing waits for it but the file
			case override.ResumesWrites:
				f.now = next // writing must not stay ended because a disk is broken
				return true
			case override.AcceptsWrites, override.StopsWrites, override.WritesMarks, override.AwaitsMarks:
				if f.now.Switch.Fence.Stage == override.LowersTTL {
					stage, detail = gone, err.Error()
				} else {
					stage, detail = override.ResumesWrites, err.Error()
				}
				tries = 0
			}
		}
		sleep(ctx, keepRetry)
	}
	return false
}

// next is the move in another stage.
func (f *fencer) next(stage override.Stage, detail string) *override.Override {
	now := f.op.now()
	o, move := *f.now, *f.now.Switch
	move.Fence = move.Fence.Enter(stage, detail, now)
	if stage == override.AcceptsWrites {
		move.Move = now
	}
	o.Switch = &move
	return &o
}

// keep has the book have what follows the move that it has.
func (f *fencer) keep(ctx context.Context, next *override.Override) error {
	turn, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	_, end, err := f.op.begin(turn)
	if err != nil {
		return err
	}
	defer end()
	if next.Switch.Fence.Stage != gone {
		return f.op.book.Advance(ctx, f.kept, next)
	}
	if pin := f.op.book.Words().Pin(f.kept.Name); !pin.Equal(f.kept) {
		return override.ErrOther
	}
	if err := f.op.forget(ctx, f.kept, ""); err != nil {
		return err
	}
	f.op.settle(ctx)
	s, _ := f.op.scene()
	shown := f.op.showSwitch(s, next)
	f.op.fences.end(shown)
	f.op.report(next, api.SwitchAborted, "", shown.Detail)
	return nil
}

// overtaken takes over what a person has made of the move meanwhile. It reports whether that is to be carried on.
func (f *fencer) overtaken() bool {
	o := f.op.book.Words().Pin(f.kept.Name)
	if o == nil || !o.Since.Equal(f.kept.Since) || !o.IsUnderWay() {
		return false
	}
	f.kept, f.now = o, o
	return true
}

// begun tells of a stage that is kept. It reports whether there is more to do.
func (f *fencer) begun(ctx context.Context, detail string) bool {
	stage := f.now.Switch.Fence.Stage
	if stage.HasMoved() {
		f.op.settle(ctx)
	}
	if stage == override.Moved {
		detail += fmt.Sprintf("; from the end of writing to its new begin it took %s", stopped(f.now.Switch.Fence, f.op.now()))
	}
	f.op.report(f.now, phase(f.now, f.op.now()), "", detail)
	return stage != override.Moved
}
