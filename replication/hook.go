package replication

import (
	"maps"
	"slices"
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
	key := maps.Clone(g.Key)
	for _, name := range slices.Sorted(maps.Keys(key)) {
		if a := key[name]; !a.Number {
			a.Value += "/move/" + from + "/" + g.Writer
			key[name] = a
			break
		}
	}
	return health.Mark{Table: g.Table, Region: through, Endpoint: g.Endpoints[through], Key: key}
}
