package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gslb/steer"
	"gslb/zones"
)

// Failback has the clients of some names return at once to the pools that are preferred and up, and
// comes back when that is served. It ends what keeps them from it: that pools wait for a person, or for
// failback_after, or that their part of the clients is still growing. It returns what is answered
// otherwise by it, which includes the names that share a steering with those. Nothing is: there was
// nothing to return to. It needs Run to be running, and fails when ctx ends first, or if the
// configuration does not have a name; then nothing is done.
func (p *Publisher) Failback(ctx context.Context, names ...string) ([]*AnswerChange, error) {
	var changes []*AnswerChange
	result := errors.New("no configuration is served yet")
	err := p.do(ctx, func(c *config) time.Time {
		var routes []int
		if routes, result = routesOf(c.set, names); result != nil {
			return p.outcome.Load().Revisit
		}
		old := p.table.Load()
		revisit := p.publish(c, routes...)
		for _, c := range answerChanges(old, p.table.Load(), steer.Changed{Decisions: routes}) {
			if _, asked := slices.BinarySearch(routes, c.To.Route.Index); asked { // another name that stands apart may have changed too
				changes = append(changes, c)
			}
		}
		return revisit
	})
	if err != nil {
		return nil, err
	}
	return changes, result
}

// routesOf is the Route.Index of all routes by which names are steered, in ascending order.
func routesOf(set *zones.Set, names []string) (routes []int, err error) {
	for _, owner := range names {
		name := set.Name(owner)
		if name == nil {
			return nil, fmt.Errorf("the configuration has no name %s", owner)
		}
		for _, r := range name.Steering.Routes {
			routes = append(routes, r.Index)
		}
	}
	slices.Sort(routes)
	return slices.Compact(routes), nil
}
