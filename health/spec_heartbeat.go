package health

import (
	"maps"
	"slices"
)

// Heartbeat writes a counter into the item of a region, through the region's own endpoint, and reads through
// the same endpoint the items that are written in all other regions.
type Heartbeat struct {
	Group     string // whose heartbeats these are
	Table     string
	Region    string                             // that is written and read through
	Endpoint  string                             // base URL; empty: AWS's own, as the next fields say
	DualStack bool                               `json:",omitempty"` // the name that has addresses of both families
	FIPS      bool                               `json:",omitempty"` // the name whose cryptography is validated
	Items     map[string]map[string]KeyAttribute // the key of each region's item, by region; one of them is Region
}

// Kind returns "heartbeat".
func (*Heartbeat) Kind() string { return "heartbeat" }

// Files returns none.
func (*Heartbeat) Files() []string { return nil }

// Where is the group and the region.
func (h *Heartbeat) Where() string { return h.Group + "@" + h.Region }

// Wants says that an item is to be written and others to be read.
func (h *Heartbeat) Wants() []string {
	return []string{"wants to write a heartbeat into table " + h.Table + " in " + h.Region + ", and to read those of the other regions"}
}

// Others are the regions that are read, sorted.
func (h *Heartbeat) Others() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(h.Items)), func(region string) bool { return region == h.Region })
}

// Mark is an item that is written through the endpoint of one region and awaited in another.
type Mark struct {
	Table           string
	Region          string
	Endpoint        string // base URL; empty: AWS's own, as the next fields say
	DualStack, FIPS bool
	Key             map[string]KeyAttribute
}
