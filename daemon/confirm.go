package daemon

import (
	"context"
	"fmt"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/journal"
	"gslb/operate"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// confirmation keeps configurations waiting for a person that would move too many names at once. What
// becomes of a file that is loaded:
//
//	the file                       │ it was applied │ then it is          │ what waited before
//	───────────────────────────────┼────────────────┼─────────────────────┼────────────────────
//	is refused                     │ any            │ refused             │ is dropped
//	moves so many names at most    │ any            │ taken into use      │ is dropped
//	moves more names               │ no             │ pending             │ is dropped
//	moves more names               │ yes            │ taken into use      │ is dropped
//	is another than what waits     │ yes            │ as if not applied   │ is dropped
//
// A start takes the file as it is: nothing is answered yet that could move.
type confirmation struct {
	over int // percent of the names; 0: every configuration is taken
	tell func(...journal.Event)
}

// mostPending is how many of the changes are kept that a configuration would make.
const mostPending = 20

// pendingError is why a configuration is not taken into use yet.
type pendingError struct{ api.Pending }

// Error implements error.
func (p *pendingError) Error() string {
	return fmt.Sprintf("it would move %d of %d names, more than %d %%: \"gslb plan\" shows them, and \"gslb apply\" takes it into use", p.Moved, p.Names, p.Over)
}

// confirm returns a *pendingError if a configuration whose targets were probed moves too many names:
// those that it answers otherwise, and those that it does not have any more.
func (c *configuration) confirm(set *zones.Set) error {
	live := c.publisher.Outcome()
	if c.confirmation.over == 0 || live == nil {
		return nil
	}
	in := live.Input()
	in.Now = time.Now()
	in.Snapshot = in.Snapshot.With(in.Now, c.newStates(live.Set(), set))
	crossing := publish.Across(live, steer.Step(set, in, live.Memory()))
	moved, of := crossing.Moved+len(crossing.Removed), crossing.Names+len(crossing.Removed)
	if 100*moved <= c.confirmation.over*of {
		return nil
	}
	p := &pendingError{api.Pending{
		Path: set.Path, Hash: set.Hash, Since: in.Now, Moved: moved, Names: of, Over: c.confirmation.over, Removed: len(crossing.Removed),
	}}
	p.Changes, p.ChangesTotal = operate.Planned(crossing, mostPending)
	return p
}

// newStates is what is known of the targets that a configuration has and the live one has not.
func (c *configuration) newStates(live, set *zones.Set) map[health.TargetID]health.State {
	wanted := make(map[health.TargetID]bool, len(set.Targets))
	for i := range set.Targets {
		wanted[set.Targets[i].ID] = true
	}
	for i := range live.Targets {
		delete(wanted, live.Targets[i].ID)
	}
	states := make(map[health.TargetID]health.State, len(wanted))
	if len(wanted) == 0 {
		return states
	}
	for _, r := range c.monitor.Reports() {
		if wanted[r.Target.ID] {
			states[r.Target.ID] = r.State
		}
	}
	return states
}

// wait records that a configuration is pending, and says so.
func (c *configuration) wait(files []string, p *pendingError) {
	c.mu.Lock()
	again := c.status.Pending != nil && c.status.Pending.Hash == p.Hash
	if again {
		p.Since = c.status.Pending.Since
	}
	before := c.status.Pending
	c.status.Pending, c.status.At, c.status.Err = &p.Pending, time.Now(), nil
	c.status.Refused = nil
	c.giveUp()
	c.files, c.tried = files, p.Hash
	c.mu.Unlock()
	if again {
		return
	}
	c.dropped(before, "", "another configuration takes its place")
	c.logger.Warn("a configuration waits to be applied: it would move many names", "config", p.Path, "hash", p.Hash,
		"moved", p.Moved, "names", p.Names, "confirm_over", fmt.Sprintf("%d%%", p.Over), "do", "gslb plan, then gslb apply")
	c.tell(journal.Event{Kind: journal.Pending, Subject: p.Path, To: p.Hash, Why: p.Error()})
}

// drop forgets what waits. The caller holds mu, and hands the result to dropped afterwards.
func (c *configuration) drop() *api.Pending {
	before := c.status.Pending
	c.status.Pending = nil
	return before
}

// dropped says that a configuration does not wait any more.
func (c *configuration) dropped(p *api.Pending, by, why string) {
	if p == nil {
		return
	}
	c.logger.Info("a configuration does not wait any more", "config", p.Path, "hash", p.Hash, "why", why)
	c.tell(journal.Event{Kind: journal.Pending, Subject: p.Path, From: p.Hash, By: by, Why: why})
}

func (c *configuration) tell(e journal.Event) {
	if c.confirmation.tell != nil {
		c.confirmation.tell(e)
	}
}

// Apply takes the configuration that is pending into use. It reads the file again, since a person may
// have changed it meanwhile: then the new one is judged like any other.
func (c *configuration) Apply(ctx context.Context, by string, r *api.ApplyRequest) (*api.ApplyResult, error) {
	waits := c.Status().Pending
	switch {
	case waits == nil:
		return nil, api.NewProblem(api.Conflict, "no configuration waits to be applied")
	case r.Hash != "" && r.Hash != waits.Hash:
		return nil, api.NewProblem(api.Conflict, "the configuration that waits is another one by now, %s: look at its plan first", waits.Hash)
	}
	done := make(chan struct{})
	go func() { // a command that is given up must not leave half a reload
		defer close(done)
		c.reloading.Lock()
		defer c.reloading.Unlock()
		c.reload(c.life, &applied{hash: waits.Hash, by: by})
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, api.NewProblem(api.Unavailable, "the configuration is still being taken into use; gslb status says when it is live")
	}
	if live := c.Current().Hash; live == waits.Hash {
		return &api.ApplyResult{Hash: live, Moved: waits.Moved, Notes: []string{}}, nil
	}
	if err := c.Status().Err; err != nil {
		return nil, api.NewProblem(api.Refused, "the configuration is refused: %v", err)
	}
	return nil, api.NewProblem(api.Conflict, "the files have changed meanwhile: look at the plan of what is there now")
}

// applied is a configuration that a person wants, whatever it moves.
type applied struct{ hash, by string }
