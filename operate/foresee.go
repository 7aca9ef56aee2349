package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/override"
)

// PreviewSwitch tells what Switch would do, and when. It refuses what Switch refuses.
func (op *Operator) PreviewSwitch(_ context.Context, by, name string, r *api.SwitchRequest) (*api.SwitchPreview, error) {
	s, err := op.scene()
	if err != nil {
		return nil, err
	}
	o, err := op.newMove(s, by, name, r)
	if err != nil {
		return nil, err
	}
	arrived := *o
	arrived.Switch = &override.Switch{From: o.Switch.From} // it is answered at once
	p := op.supposing(s, &arrived)
	return p.foreseen(op.showSwitch(s, o), s.stages(o)), nil
}

// PreviewAbort tells what Abort would do.
func (op *Operator) PreviewAbort(_ context.Context, name string) (*api.SwitchPreview, error) {
	s, err := op.scene()
	if err != nil {
		return nil, err
	}
	o, err := op.switchOf(s, name)
	if err != nil {
		return nil, err
	}
	if err := tooLate(o); err != nil {
		return nil, err
	}
	var rest []override.Override
	for _, other := range op.book.Words().All() {
		if other.ID() != o.ID() {
			rest = append(rest, other)
		}
	}
	var stages []string
	if pool := s.set.Pool(o.Pool); o.IsUnderWay() && (pool == nil || pool.Replication == nil || pool.Replication.StopWrites != nil) {
		stages = append(stages, "Writing begins again in "+strings.Join(o.Switch.Fence.From, ", ")+", by hook resume_writes if there is one.")
	}
	if before := o.Switch.Before; before != nil && before.InForce(op.now()) {
		rest = append(rest, *before)
		stages = append(stages, fmt.Sprintf("The name is pinned to %s again, as it was before.", before.Pool))
	} else {
		stages = append(stages, "The pin of the move ends, and the probes decide again.")
	}
	p := &proposal{list: []override.Override{*o}, before: s}
	p.suppose(override.NewWords(rest))
	return p.foreseen(op.showSwitch(s, o), stages), nil
}

// foreseen is the preview of a move whose changes a proposal has.
func (p *proposal) foreseen(move *api.Switch, stages []string) *api.SwitchPreview {
	changes := commanded(p.changes)
	preview := &api.SwitchPreview{Switch: *move, Changes: first(mostListed, changes), ChangesTotal: len(changes), Stages: stages, Notes: append([]string{}, p.notes...)}
	if len(changes) == 0 {
		preview.Notes = append(preview.Notes, "nothing is answered otherwise")
	}
	return preview
}

// stages says in order what a move does, a line each: what is waited for, and what may be lost.
//
//	no replicated data is left   the TTL is lowered · the answer moves · clients follow
//	otherwise                    the TTL is lowered · writing ends · a mark is awaited · the answer moves · clients follow
func (s *scene) stages(o *override.Override) []string {
	name := s.set.Name(o.Name)
	ttl, old := name.Steering.TTLMin, oldTTL(name)
	lines := []string{fmt.Sprintf("At once the TTL goes to %s, and the old one of %s is waited out. What is answered stays the same.", ttl, old)}
	last := fmt.Sprintf("The last clients follow within %s. The name stays pinned to %s until somebody unpins it.", old, o.Pool)
	f := o.Switch.Fence
	if f == nil {
		return append(lines, fmt.Sprintf("After %s %s is answered.", old, o.Pool), last)
	}
	group, from := s.set.Pool(o.Pool).Replication, strings.Join(f.From, ", ")
	if group.StopWrites != nil {
		lines = append(lines, fmt.Sprintf("After %s hook stop_writes ends writing in %s.", old, from))
	} else {
		lines = append(lines, fmt.Sprintf("After %s writing in %s goes on, since there is no hook stop_writes: what is written there after the mark arrives later than the clients.", old, from))
	}
	mark := fmt.Sprintf("A mark is written in %s and awaited in %s for at most %s: everything that was written before it has arrived then.", from, f.To, time.Duration(f.Wait*float64(time.Second)))
	switch {
	case f.AcceptLoss:
		mark += " If it does not arrive, the move goes on, and clients miss what has not arrived."
	case group.StopWrites == nil:
		mark += " If it does not arrive, the move is aborted."
	default:
		mark += " If it does not arrive, the move is aborted, and writing begins again."
	}
	moves := fmt.Sprintf("%s is answered.", o.Pool)
	if group.AcceptWrites != nil {
		moves = fmt.Sprintf("%s is answered, and hook accept_writes begins writing in %s.", o.Pool, f.To)
	}
	return append(lines, mark, moves+" From here on it can't be aborted.", last)
}
