package health

import "context"

// Wait returns once every one of the targets has been probed in this run as what it is now,
// or when ctx ends, with those that have not. An indeterminate result counts as well:
// waiting longer would not better it. A target that the monitor does not have, or that it
// forgets meanwhile, is returned and not waited for.
func (m *Monitor) Wait(ctx context.Context, ids []TargetID) (missing []TargetID) {
	for _, id := range ids {
		if !m.await(ctx, id) {
			missing = append(missing, id)
		}
	}
	return missing
}

// await says whether the target has been probed before ctx ended.
func (m *Monitor) await(ctx context.Context, id TargetID) bool {
	for {
		answered, wait := m.answered(id)
		if wait == nil {
			return answered
		}
		select {
		case <-wait:
		case <-ctx.Done():
			answered, _ = m.answered(id)
			return answered
		}
	}
}

// answered says whether the target has been probed and, if it is still to be, returns
// what is closed when that may have changed.
func (m *Monitor) answered(id TargetID) (answered bool, wait <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.entries[id]
	if !known || e.answered {
		return known, nil
	}
	if e.awaited == nil {
		e.awaited = make(chan struct{})
	}
	return false, e.awaited
}
