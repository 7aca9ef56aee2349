package admin

import (
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Rows of a list that are sent.
const (
	limitDefault = 1_000
	limitMost    = 100_000
	limitPage    = 500 // so that the page of a huge configuration stays below a megabyte or so
)

// longestFilter bounds the parameters name and q, in bytes. A DNS name takes at most 1004
// with every byte escaped (RFC 1035, section 2.3.4 and 5.1).
const longestFilter = 1004

// selection is which rows a request asks for.
type selection struct {
	name  string // fully qualified, lower case; empty: every name
	text  string // lower case; empty: every row
	limit int    // rows a list
	// troubleFirst puts the rows that need a person before the others.
	troubleFirst bool
}

// parseSelection reads a request's parameters. One that is not known is an error: a
// mistyped filter must not quietly show everything.
func parseSelection(query url.Values) (selection, error) {
	sel := selection{limit: limitDefault}
	for key, values := range query {
		value := values[0]
		switch {
		case len(values) > 1:
			return sel, fmt.Errorf("parameter %s: given %d times, want once", cut(key, 100), len(values))
		case len(value) > longestFilter:
			return sel, fmt.Errorf("parameter %s: has %d bytes, want at most %d", cut(key, 100), len(value), longestFilter)
		case key == "name":
			if value != "" {
				sel.name = strings.ToLower(strings.TrimSuffix(value, ".")) + "."
			}
		case key == "q":
			sel.text = strings.ToLower(strings.TrimSpace(value))
		case key == "limit":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > limitMost {
				return sel, fmt.Errorf("parameter limit: %q is not a whole number from 1 to %d", cut(value, 100), limitMost)
			}
			sel.limit = n
		default:
			return sel, fmt.Errorf("parameter %q is not known: want name, q or limit", cut(key, 100))
		}
	}
	return sel, nil
}

// contains reports whether any field contains the text asked for.
func (sel selection) contains(fields ...string) bool {
	if sel.text == "" {
		return true
	}
	for _, field := range fields {
		if strings.Contains(strings.ToLower(field), sel.text) {
			return true
		}
	}
	return false
}

// scope is what the selected name depends on. A nil scope contains everything.
type scope struct {
	steerings map[string]bool // by Steering.Key
	pools     map[string]bool
	targets   map[health.TargetID]bool
}

// scopeOf follows a name to its pools and targets. Two zones may have the same name.
func scopeOf(name string, table *answer.Table) *scope {
	if name == "" {
		return nil
	}
	sc := &scope{steerings: map[string]bool{}, pools: map[string]bool{}, targets: map[health.TargetID]bool{}}
	if table == nil {
		return sc
	}
	for _, zone := range table.Set().Zones {
		for _, n := range zone.Names {
			if n.Name == name {
				sc.addSteering(table.Pools(), n.Steering)
			}
		}
	}
	return sc
}

func (sc *scope) addSteering(pools []*steer.PoolState, s *zones.Steering) {
	sc.steerings[s.Key] = true
	for _, pool := range s.Pools {
		sc.addPool(pools[pool.Index])
	}
	if s.Fallback != nil {
		sc.addPool(pools[s.Fallback.Index])
	}
}

func (sc *scope) addPool(state *steer.PoolState) {
	sc.pools[state.Pool.Name] = true
	for _, id := range state.Pool.Targets {
		sc.targets[id] = true
	}
	for _, member := range state.Members {
		for _, id := range member.Targets {
			sc.targets[id] = true
		}
	}
}

func (sc *scope) hasPool(p *steer.PoolState) bool { return sc == nil || sc.pools[p.Pool.Name] }

func (sc *scope) hasTarget(r *health.Report) bool { return sc == nil || sc.targets[r.Target.ID] }

func (sc *scope) hasEvent(e Event) bool {
	if sc == nil {
		return true
	}
	switch e.Kind {
	case "target":
		return sc.targets[health.TargetID(e.Subject)]
	case "pool":
		return sc.pools[e.Subject]
	case "answer":
		return sc.steerings[e.Steering]
	default: // a configuration concerns every name
		return true
	}
}

// selected is the rows of a list that a request is sent.
type selected[T any] struct {
	Rows    iter.Seq[T] // may be gone through several times
	Shown   int         // how many these are
	Matched int         // how many there would be without a limit
}

// pick selects, in order, the items that keep accepts, those that trouble accepts first if it
// is given, at most limit of them. It goes through the items anew for each use, so that what
// was selected takes no memory, however many rows it has.
func pick[T any](items iter.Seq[T], limit int, keep, trouble func(T) bool) selected[T] {
	matched := 0
	for item := range items {
		if keep(item) {
			matched++
		}
	}
	rows := func(yield func(T) bool) {
		left := limit
		through := func(wanted func(T) bool) bool {
			if left == 0 {
				return false
			}
			for item := range items {
				if !keep(item) || !wanted(item) {
					continue
				}
				if !yield(item) {
					return false
				}
				if left--; left == 0 {
					return false
				}
			}
			return true
		}
		if trouble == nil {
			through(func(T) bool { return true })
			return
		}
		if through(trouble) {
			through(func(item T) bool { return !trouble(item) })
		}
	}
	return selected[T]{Rows: rows, Shown: min(limit, matched), Matched: matched}
}

// as is the rows made of other rows.
func as[T, R any](rows iter.Seq[T], f func(T) R) iter.Seq[R] {
	return func(yield func(R) bool) {
		for row := range rows {
			if !yield(f(row)) {
				return
			}
		}
	}
}
