package override

import (
	"cmp"
	"net/netip"
	"slices"
)

// Words is all overrides that are in force at one time, found by what they are about. It is immutable
// and safe for concurrent use. The nil Words has none.
type Words struct {
	all   []Override
	pools map[string]*PoolWords
	pins  map[string]*Override
	// pinned is what pins has, by name.
	pinned []*Override
}

// PoolWords is what was said about one pool and its members.
type PoolWords struct {
	Drain, Force *Override // of the whole pool; nil: nothing
	Drained      map[netip.Addr]*Override
	Forced       map[netip.Addr]*Override
}

// NewWords makes words of overrides, at most one with each ID.
func NewWords(list []Override) *Words {
	w := &Words{all: slices.Clone(list), pools: make(map[string]*PoolWords), pins: make(map[string]*Override)}
	slices.SortFunc(w.all, func(a, b Override) int { return cmp.Compare(a.ID(), b.ID()) })
	for i := range w.all {
		o := &w.all[i]
		if o.Kind == Pin {
			w.pins[o.Name] = o
			w.pinned = append(w.pinned, o) // IDs are in the order of names
			continue
		}
		pool := w.pools[o.Pool]
		if pool == nil {
			pool = &PoolWords{Drained: make(map[netip.Addr]*Override), Forced: make(map[netip.Addr]*Override)}
			w.pools[o.Pool] = pool
		}
		switch {
		case o.Member.IsValid() && o.Kind == Drain:
			pool.Drained[o.Member] = o
		case o.Member.IsValid():
			pool.Forced[o.Member] = o
		case o.Kind == Drain:
			pool.Drain = o
		default:
			pool.Force = o
		}
	}
	return w
}

// All is the overrides, by ID. The caller must not change it.
func (w *Words) All() []Override {
	if w == nil {
		return nil
	}
	return w.all
}

// ChangedSince returns the pools and the names, both in order, about which something else was said in
// old.
func (w *Words) ChangedSince(old *Words) (pools, names []string) {
	if w == old {
		return nil, nil
	}
	changed := func(o *Override) {
		if o.Kind == Pin {
			names = append(names, o.Name)
		} else {
			pools = append(pools, o.Pool)
		}
	}
	is, was := w.All(), old.All()
	for len(is)+len(was) > 0 {
		order := -1 // of the first override of each
		switch {
		case len(is) == 0:
			order = 1
		case len(was) > 0:
			order = cmp.Compare(is[0].ID(), was[0].ID())
		}
		switch {
		case order < 0:
			changed(&is[0])
		case order > 0:
			changed(&was[0])
		case !is[0].Equal(&was[0]):
			changed(&is[0])
		}
		if order <= 0 {
			is = is[1:]
		}
		if order >= 0 {
			was = was[1:]
		}
	}
	slices.Sort(pools)
	slices.Sort(names)
	return slices.Compact(pools), slices.Compact(names)
}

// Pool is what was said about a pool; nil: nothing.
func (w *Words) Pool(name string) *PoolWords {
	if w == nil {
		return nil
	}
	return w.pools[name]
}

// Pins is what was said about names, by name. The caller must not change it.
func (w *Words) Pins() []*Override {
	if w == nil {
		return nil
	}
	return w.pinned
}

// Pin is what was said about a name; nil: nothing.
func (w *Words) Pin(name string) *Override {
	if w == nil {
		return nil
	}
	return w.pins[name]
}
