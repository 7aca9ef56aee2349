package api

import (
	"net/netip"
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// ExplainRequest is the parameters of GET /api/v1/explain.
type ExplainRequest struct {
	Name   string // with or without the final dot
	Client string // an address or a prefix; empty: a client that is in no view but "default"
	Type   string // of the record: "A", "AAAA"; empty: both
	// Suppose is statuses that pools are taken to have, by name: "down", "up", "unknown".
	Suppose map[string]health.Status
}

// Explanation is why a name answers what it does.
type Explanation struct {
	Name    string       `json:"name"`
	Zone    string       `json:"zone"`
	Type    string       `json:"type"`    // that was asked for; may be empty
	Client  string       `json:"client"`  // that was asked for; may be empty
	Network netip.Prefix `json:"network"` // the clients for whom this holds (RFC 7871); the zero prefix: all
	// Views is those that the client is in, the narrowest first; empty: the name has none, or none has it.
	Views  []string     `json:"views"`
	Policy zones.Policy `json:"policy"`

	Mode     steer.Mode      `json:"mode"`
	Tier     int             `json:"tier"`    // that is answered, as in a View
	RCode    string          `json:"rcode"`   // "NOERROR", or "SERVFAIL"; "PENDING": no reply is given yet
	Answers  []string        `json:"answers"` // records as text, of all shares
	Shares   []Share         `json:"shares"`
	TTL      float64         `json:"ttl_seconds"`
	Why      string          `json:"why"` // the answer in one line
	Stale    bool            `json:"stale"`
	Pin      *Override       `json:"pin,omitempty"` // in force, whether followed or not
	Held     []Hold          `json:"held"`
	Tiers    []ExplainedTier `json:"tiers"`    // in order of preference; the fallback is the last, with number 0
	Supposed []string        `json:"supposed"` // "nyc=down": statuses that pools are taken to have
	// Revisit is when the answer may change by itself; left out: it does not.
	Revisit    time.Time `json:"revisit,omitzero"`
	RevisitWhy string    `json:"revisit_why,omitempty"`

	WhenAllDown string    `json:"when_all_down"` // what would be answered with nothing left
	Config      string    `json:"config"`        // the hash of the configuration
	Now         time.Time `json:"now"`
}

// ExplainedTier is a tier of the route that was followed.
type ExplainedTier struct {
	Tier   int             `json:"tier"` // 1: the first; 0: it is the fallback
	View   string          `json:"view"` // that it comes from; may be empty
	Taken  bool            `json:"taken"`
	Pools  []ExplainedPool `json:"pools"`
	Policy zones.Policy    `json:"policy"`
}

// ExplainedPool is what was made of a pool.
type ExplainedPool struct {
	Pool      string        `json:"pool"`
	Region    string        `json:"region"`
	Weight    int           `json:"weight"`
	Part      float64       `json:"part"`           // of the clients, from 0 to 1
	Load      *Load         `json:"load,omitempty"` // that it says it has; left out: none that is looked at
	Status    health.Status `json:"status"`         // that counts
	Probed    health.Status `json:"probed"`         // by the probes
	Since     time.Time     `json:"since,omitzero"`
	Chosen    bool          `json:"chosen"`
	Rule      string        `json:"rule"` // that dropped or kept it; empty: its status alone
	Why       string        `json:"why"`
	Overrides []Override    `json:"overrides"` // about it and its members
	Held      []Hold        `json:"held"`
	Addresses []netip.Addr  `json:"addresses"` // that are, or would be, answered; the first 50
	CNAME     string        `json:"cname"`
}

// PlanRequest is the body of POST /api/v1/plan.
type PlanRequest struct {
	// Path is where the content is taken to stand: files that it names are looked for beside it.
	Path    string `json:"path"`
	Content string `json:"content"` // of a zones.toml
}

// Plan is what a new configuration would change.
type Plan struct {
	Path    string `json:"path"`
	Hash    string `json:"hash"`    // of the new configuration
	Running string `json:"running"` // hash of that which is live
	Nothing bool   `json:"nothing"` // it changes nothing

	Added        []PlannedName `json:"added"` // the first 1000, as of each list here
	AddedTotal   int           `json:"added_total"`
	Removed      []PlannedName `json:"removed"`
	RemovedTotal int           `json:"removed_total"`
	// Changes is names that are answered otherwise.
	Changes      []Change `json:"changes"`
	ChangesTotal int      `json:"changes_total"`
	// Moved is how many names are answered otherwise, of Names that there are in both.
	Moved int `json:"moved"`
	Names int `json:"names"`

	Targets             []PlannedTarget `json:"targets"` // that are new, probed once
	TargetsTotal        int             `json:"targets_total"`
	RemovedTargets      []string        `json:"removed_targets"`
	RemovedTargetsTotal int             `json:"removed_targets_total"`
	Restart             []string        `json:"restart"`  // keys that a reload does not take
	Other               []string        `json:"other"`    // what else changes, a line each: records, settings
	Warnings            []string        `json:"warnings"` // of the new configuration
	Text                string          `json:"text"`     // all of it for people
}

// PlannedName is a name that is added or removed.
type PlannedName struct {
	Name string     `json:"name"`
	Pool string     `json:"pool"` // what is answered
	Mode steer.Mode `json:"mode"`
}

// PlannedTarget is a target that would be new.
type PlannedTarget struct {
	ID      string `json:"id"`
	Check   string `json:"check"`
	Subject string `json:"subject"`
	Verdict string `json:"verdict"` // "pass", "fail", "indeterminate"; empty: it was not probed
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
}

// Pending is a configuration that waits for gslb apply, since it moves too many names.
type Pending struct {
	Path  string    `json:"path"`
	Hash  string    `json:"hash"`
	Since time.Time `json:"since"`
	Moved int       `json:"moved"` // names that it answers otherwise
	Names int       `json:"names"` // of so many
	Over  int       `json:"over_percent"`

	// Changes is the first 20 of what it answers otherwise, as in a plan. Removed is how many of the names that it
	// moves it does not have.
	Changes      []Change `json:"changes"`
	ChangesTotal int      `json:"changes_total"`
	Removed      int      `json:"removed_names"`
}

// RefusedConfig is a configuration that was not taken into use. The one before goes on serving.
type RefusedConfig struct {
	Path string `json:"path"`
	Hash string `json:"hash"` // of all that was read; a file that could not be read counts as another content
	// Since is when it was first refused for these problems.
	Since time.Time `json:"since"`
	// Loaded is whether it could be loaded, so that gslb check finds nothing wrong with it: it can't be used here, or
	// not without a restart.
	Loaded bool `json:"loaded"`

	Problems      []ConfigProblem `json:"problems"` // those that gslb check lists, or why it can't be used here; the first 100
	ProblemsTotal int             `json:"problems_total"`

	// Plan is what it would change, as gslb plan says: the first 20 of each list. It is left out while it is being
	// worked out, and of a configuration that can't be loaded; Unplanned says which.
	Plan      *Plan  `json:"plan,omitempty"`
	Unplanned string `json:"unplanned,omitempty"` // why there is no plan, one line
}

// ConfigProblem is one thing that is wrong with a configuration.
type ConfigProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`   // in it; left out: it is of no one line
	Column  int    `json:"column,omitempty"` // in bytes from 1; of errors in the syntax
	Key     string `json:"key,omitempty"`    // as in pools.nyc.min_up
	Source  string `json:"source,omitempty"` // the line of a master file that it is at, as in example.zone:12
	Message string `json:"message"`          // what was found, and what was expected
}

// ApplyRequest is the body of POST /api/v1/apply.
type ApplyRequest struct {
	Hash string `json:"hash,omitempty"` // that must be pending; empty: whichever is
}

// ApplyResult is the answer of POST /api/v1/apply.
type ApplyResult struct {
	Hash  string   `json:"hash"` // that is live now
	Moved int      `json:"moved"`
	Notes []string `json:"notes"`
}
