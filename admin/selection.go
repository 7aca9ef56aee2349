package admin

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Rows of a list that the API sends.
const (
	limitDefault = 1_000
	limitMost    = 100_000
)

// longestFilter bounds the parameters name and q, in bytes. A DNS name takes at most 1004
// with every byte escaped (RFC 1035, section 2.3.4 and 5.1).
const longestFilter = 1004

// selection is which rows a request asks for.
type selection struct {
	name  string // fully qualified, lower case; empty: every name
	text  string // lower case; empty: every row
	limit int    // rows a list
	// offset is how many rows are left out before the first.
	offset int
	// troubleFirst puts the rows that need a person before the others.
	troubleFirst bool
}

// parseSelection reads the parameters of /api/status.
func parseSelection(raw string) (selection, error) {
	q, err := parseQuery(raw, "name", "q", "limit")
	if err != nil {
		return selection{}, err
	}
	return q.selection, nil
}

// query is the parameters of a request.
type query struct {
	selection
	pool, state  string
	after        uint64         // an event's ID
	pages        map[string]int // of lists, from 1, by parameter
	all, preview bool
	values       url.Values
}

// parseQuery reads a request's parameters, of which some are known. Another one is an error: a
// mistyped filter must not quietly show everything. All but suppose may be given once.
func parseQuery(raw string, known ...string) (*query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, api.NewProblem(api.BadRequest, "the parameters can't be read: %v", err)
	}
	q := &query{selection: selection{limit: limitDefault}, values: values}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			return nil, api.NewProblem(api.BadRequest, "parameter %q is not known: want %s", cut(key, 100), listed(known))
		}
		if err := q.set(key, values[key]); err != nil {
			return nil, api.NewProblem(api.BadRequest, "parameter %s: %v", key, err)
		}
	}
	return q, nil
}

func (q *query) set(key string, list []string) (err error) {
	if len(list) > 1 && key != "suppose" {
		return fmt.Errorf("given %d times, want once", len(list))
	}
	for _, value := range list {
		if len(value) > longestFilter {
			return fmt.Errorf("has %d bytes, want at most %d", len(value), longestFilter)
		}
	}
	switch value := list[0]; key {
	case "name":
		if value != "" {
			q.name = zones.Qualified(value)
		}
	case "q":
		q.text = strings.ToLower(strings.TrimSpace(value))
	case "pool":
		q.pool = value
	case "state":
		q.state = value
	case "limit":
		q.limit, err = wholeNumber(value, 1, limitMost)
	case "offset":
		q.offset, err = wholeNumber(value, 0, math.MaxInt32)
	case "page", "pools", "targets":
		if q.pages == nil {
			q.pages = make(map[string]int)
		}
		q.pages[key], err = wholeNumber(value, 1, math.MaxInt32)
	case "after":
		if q.after, err = strconv.ParseUint(value, 10, 64); err != nil {
			return fmt.Errorf("%q is not the ID of an event", cut(value, 100))
		}
	case "all":
		q.all, err = trueOrFalse(value)
	case "preview":
		q.preview, err = trueOrFalse(value)
	}
	return err
}

func wholeNumber(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%q is not a whole number from %d to %d", cut(text, 100), least, most)
	}
	return n, nil
}

func trueOrFalse(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, fmt.Errorf("%q is neither true nor false", cut(text, 100))
	}
	return text == "true", nil
}

// listed is words with commas between them, and "or" before the last; of none, "none".
func listed(words []string) string {
	switch n := len(words); n {
	case 0:
		return "none"
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
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
// is given, without so many at the beginning, and at most so many as sel says. It goes through the items anew for each use, so that what
// was selected takes no memory, however many rows it has.
func pick[T any](items iter.Seq[T], sel selection, keep, trouble func(T) bool) selected[T] {
	matched := 0
	for item := range items {
		if keep(item) {
			matched++
		}
	}
	rows := func(yield func(T) bool) {
		left, before := sel.limit, sel.offset
		through := func(wanted func(T) bool) bool {
			if left == 0 {
				return false
			}
			for item := range items {
				if !keep(item) || !wanted(item) {
					continue
				}
				if before > 0 {
					before--
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
	return selected[T]{Rows: rows, Shown: min(sel.limit, max(0, matched-sel.offset)), Matched: matched}
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
