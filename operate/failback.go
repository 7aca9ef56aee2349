package operate

import (
	"context"
	"slices"

	"gslb/admin/api"
	"gslb/journal"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// Failback ends what keeps a name from its preferred pool. Names that are steered alike move with it,
// unless their failback is manual.
func (op *Operator) Failback(ctx context.Context, by, name string) (*api.FailbackResult, error) {
	before, end, err := op.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	n := before.set.Name(zones.Qualified(name))
	if n == nil {
		return nil, unknownName(before.set, name)
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	changes, err := op.publisher.Failback(bounded, n.Name)
	if err != nil {
		return nil, api.NewProblem(api.Unavailable, "%s was not returned: the server is busy; try again", zones.Plain(n.Name))
	}
	after, err := op.scene()
	if err != nil {
		return nil, err
	}
	result, moved := returned(n, changes)
	if after.set != before.set {
		result, _ = returned(n, nil)
		result.Notes = append(result.Notes, "another configuration came into use meanwhile: look at gslb status")
		return result, nil
	}
	result.Answers = after.answers(map[*zones.Name]bool{n: true})
	switch pin := after.table.DecisionsOf(n)[0].Pin; {
	case pin != nil:
		result.Notes = append(result.Notes, "the name is pinned to "+pin.Pool+", which is stronger; gslb unpin "+zones.Plain(n.Name)+" ends that")
	case len(after.setAside(n)) > 0:
		result.Notes = append(result.Notes, after.setAside(n)...)
	case moved == 0:
		result.Notes = append(result.Notes, "nothing was waiting to be returned to, so that nothing is answered otherwise")
	case moved > 1:
		result.Notes = append(result.Notes, "all names that are steered alike have returned with it")
	}
	if op.tell != nil {
		op.tell(journal.Event{Kind: journal.Failback, Subject: n.Name, From: before.answered(n), To: after.answered(n), By: by, Why: "a person had it return to its preferred pool"})
	}
	op.logger.Info("a person had a name return to its preferred pool", "name", n.Name, "by", by, "from", before.answered(n), "to", after.answered(n))
	return result, nil
}

// PreviewFailback tells what Failback would change.
func (op *Operator) PreviewFailback(_ context.Context, name string) (*api.FailbackResult, error) {
	before, err := op.scene()
	if err != nil {
		return nil, err
	}
	n := before.set.Name(zones.Qualified(name))
	if n == nil {
		return nil, unknownName(before.set, name)
	}
	in := before.outcome.Input()
	for _, r := range n.Steering.Routes {
		in.Failback = append(in.Failback, r.Index)
	}
	result, moved := returned(n, publish.Compare(before.table, before.table.With(before.outcome.Next(in))))
	result.Notes = before.setAside(n)
	switch pin := before.table.DecisionsOf(n)[0].Pin; {
	case pin != nil:
		result.Notes = append(result.Notes, "the name is pinned to "+pin.Pool+", which is stronger")
	case moved == 0:
		result.Notes = append(result.Notes, "nothing waits to be returned to, so that nothing is answered otherwise")
	case moved > 1:
		result.Notes = append(result.Notes, "all names that are steered alike return with it")
	}
	return result, nil
}

// returned is the result of what a failback changes, and how many names it concerns.
func returned(n *zones.Name, changes []*publish.AnswerChange) (*api.FailbackResult, int) {
	var moved []*zones.Name
	for _, c := range changes {
		moved = append(moved, c.Names...)
	}
	moved = byName(moved)
	return &api.FailbackResult{
		Name: n.Name, Changes: first(mostListed, commanded(changes)), Names: names(moved), NamesTotal: len(moved), Answers: []api.Answer{}, Notes: []string{},
	}, len(moved)
}

// setAside is which pools are not returned to, even at a person's word, since data is behind, a line each.
func (s *scene) setAside(name *zones.Name) (notes []string) {
	for _, d := range s.table.DecisionsOf(name) {
		for _, r := range d.Reasons {
			if r.Rule != steer.Degraded {
				continue
			}
			note := r.Pool + " is " + r.Why + "; gslb pin, or gslb switch with --accept-loss, moves there nevertheless"
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	return first(mostListed, notes)
}
