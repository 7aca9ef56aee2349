package replication

import (
	"time"

	"gslb/health"
)

// Group is a [replication.NAME] table of zones.toml: a table that is replicated between regions.
type Group struct {
	Name    string
	Table   string
	Regions []string // sorted
	// Key is that of the heartbeats. The value of its partition key is only the beginning: see Item.
	Key       map[string]health.KeyAttribute
	Endpoints map[string]string // base URLs by region; none: the region's own
	DualStack bool              // the regions' names that have addresses of both families
	FIPS      bool              // those whose cryptography is validated
	Writer    string            // the name of this server, which other servers that write have not

	Interval time.Duration // between two heartbeats of a region
	MaxLag   time.Duration // above which a copy is behind

	// What is run around a planned move of clients away from a region, or to it; nil: nothing.
	StopWrites, AcceptWrites, ResumeWrites *Hook
}

// Hook is what is run around a move of clients between regions, by a program or by a webhook.
type Hook struct {
	Command []string // a program with its arguments; none: URL is called
	URL     string
	Timeout time.Duration
}

// Item is the key of the heartbeat of a region. Each server writes its own, so that none takes what another
// has written for its own.
func (g *Group) Item(region string) map[string]health.KeyAttribute {
	return health.ItemKey(g.Key, region, g.Writer)
}

// Heartbeat is what is written and read through the endpoint of a region.
func (g *Group) Heartbeat(region string) *health.Heartbeat {
	h := &health.Heartbeat{Group: g.Name, Table: g.Table, Region: region, Endpoint: g.Endpoints[region], DualStack: g.DualStack, FIPS: g.FIPS, Items: make(map[string]map[string]health.KeyAttribute, len(g.Regions))}
	for _, r := range g.Regions {
		h.Items[r] = g.Item(r)
	}
	return h
}

// Mark is the item that a planned move away from a region writes there, as it is reached through the endpoint
// of a region.
func (g *Group) Mark(from, through string) health.Mark {
	return health.Mark{Table: g.Table, Region: through, Endpoint: g.Endpoints[through], DualStack: g.DualStack, FIPS: g.FIPS,
		Key: health.ItemKey(g.Key, "move", from, g.Writer)}
}
