package health

import (
	"cmp"
	"maps"
	"slices"
)

// Reports is what is known of every target, by ID.
func (m *Monitor) Reports() []Report {
	return each(m, (*entry).report)
}

// Records is what is worth keeping over a restart: every target that was ever judged, in
// this run or in the earlier one that it was restored from, by ID.
func (m *Monitor) Records() []Record {
	return slices.DeleteFunc(each(m, (*entry).record), func(r Record) bool { return r.Status == Unknown })
}

// each is what a function makes of every entry, by ID. The lock is held for one entry at a
// time, so that whoever asks for all of them delays no probe.
func each[T any](m *Monitor, of func(*entry) T) []T {
	entries := m.list()
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	all := make([]T, len(entries))
	for i, e := range entries {
		m.mu.Lock()
		all[i] = of(e)
		m.mu.Unlock()
	}
	return all
}

// list is all entries, in no order.
func (m *Monitor) list() []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.entries))
}
