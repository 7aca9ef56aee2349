package replication

import (
	"time"

	"gslb/health"
)

// Hook is what is run around a move of clients between regions, by a program or by a webhook.
type Hook struct {
	Command []string // a program with its arguments; none: URL is called
	URL     string
	Timeout time.Duration
}

// Mark is the item that a planned move away from a region writes there, as it is reached through the endpoint
// of a region.
func (g *Group) Mark(from, through string) health.Mark {
	return health.Mark{Table: g.Table, Region: through, Endpoint: g.Endpoints[through], DualStack: g.DualStack, FIPS: g.FIPS,
		Key: health.ItemKey(g.Key, "move", from, g.Writer)}
}
