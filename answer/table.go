package answer

import (
	"gslb/steer"
	"gslb/zones"
)

// Table is everything a query can be answered with: the zones' static data and the
// present answer of every steered name. It is immutable and safe for concurrent use.
type Table struct {
	set       *zones.Set
	pools     []steer.PoolState
	decisions []steer.Decision
}

// Set is the configuration that the table was compiled from.
func (t *Table) Set() *zones.Set { return t.set }

// Pools is the state of each pool of the configuration, by name.
func (t *Table) Pools() []steer.PoolState { return t.pools }

// Decisions is what each steering answers; the place of one is its Steering.Index.
func (t *Table) Decisions() []steer.Decision { return t.decisions }
