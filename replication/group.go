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
	Writer    string            // the name of this server, which other servers that write have not

	Interval time.Duration // between two heartbeats of a region
	MaxLag   time.Duration // above which a copy is behind

	// What is run around a planned move of clients away from a region, or to it; nil: nothing.
	StopWrites, AcceptWrites, ResumeWrites *Hook
}
