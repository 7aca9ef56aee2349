package api

import (
	"net/netip"
	"time"

	"gslb/health"
	"gslb/incident"
	"gslb/journal"
	"gslb/steer"
	"gslb/zones"
)

// Status is what is said of the whole server.
type Status struct {
	Version string    `json:"version"`
	Host    string    `json:"host"` // the name of the machine; may be empty
	ID      string    `json:"id"`   // server.id of the configuration; may be empty
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	Ready   bool      `json:"ready"`   // as /readyz
	Waiting []string  `json:"waiting"` // what is still missing for that, a line each

	// Published is when what is served now began to be; left out: nothing is.
	Published time.Time `json:"published,omitzero"`

	Config  Config  `json:"config"`
	Summary Summary `json:"summary"` // of everything, whatever the parameters
	Held    []Hold  `json:"held"`    // rules by which the probes' verdicts do not count at present

	Overrides OverrideCounts `json:"overrides"`

	Replications []Replication `json:"replications"` // by name

	Problems []Trouble `json:"problems"` // what a person should know first, the critical first
}

// OverrideCounts counts persons' words.
type OverrideCounts struct {
	Total     int `json:"total"`
	Endless   int `json:"endless"`   // that have no end
	Unmatched int `json:"unmatched"` // that are about something that the configuration does not have
}

// Trouble is something that a person should know.
type Trouble struct {
	Critical bool   `json:"critical"` // answers are, or may be, wrong; otherwise: something is failing, and handled
	Text     string `json:"text"`
	// Incident is the id of the incident that it is, Override that of the override that it is about; left out: none.
	Incident string `json:"incident,omitempty"`
	Override string `json:"override,omitempty"`
}

// Config says which configuration is live, and what became of the last attempt to change it.
type Config struct {
	Path   string    `json:"path"` // empty before the first publication, like Hash
	Hash   string    `json:"hash"` // SHA-256 in hexadecimal
	Loaded time.Time `json:"loaded,omitzero"`

	LastReload time.Time `json:"last_reload,omitzero"` // the last attempt; left out: none yet
	// LastReloadError is the first 100 errors of that attempt, a line each; empty: it succeeded.
	LastReloadError string `json:"last_reload_error"`
	ReloadFailures  uint64 `json:"reload_failures"` // since the start

	Refused *RefusedConfig `json:"refused,omitempty"` // what the last reload did not take into use; left out: it did
	Pending *Pending       `json:"pending,omitempty"` // a configuration that waits for gslb apply; left out: none
}

// Summary counts what is served.
type Summary struct {
	Names   NameCounts   `json:"names"`
	Pools   PoolCounts   `json:"pools"`
	Targets TargetCounts `json:"targets"`
}

// NameCounts counts names.
type NameCounts struct {
	Total int `json:"total"`
	// Preferred is how many are answered to all clients with the preferred pools ([View.Preferred]).
	// Clients that no view has do not count, here as in Modes.
	Preferred int `json:"preferred"`
	Stale     int `json:"stale"` // of which clients are answered with a stale pool
	// Waiting is of how many a pool that has recovered waits for gslb failback.
	Waiting int `json:"waiting_for_failback"`
	// Slowed is how many are answered with a pool that is down, since too many others have gone down.
	Slowed int `json:"held_by_velocity"`
	// Modes counts them by the way in which their answer came about, of the clients worst off.
	Modes map[steer.Mode]int `json:"modes"`
}

// StatusCounts counts pools or targets.
type StatusCounts struct {
	Total   int `json:"total"`
	Up      int `json:"up"`
	Down    int `json:"down"`
	Unknown int `json:"unknown"`
	Stale   int `json:"stale"` // that rest on a verdict which is too old to be believed
}

// PoolCounts counts pools.
type PoolCounts struct {
	StatusCounts
	Drained int `json:"drained"` // they, or members of them
	Forced  int `json:"forced"`  // they, or members of them
	Held    int `json:"held"`    // with a status of a target that is held by a rule of safety
}

// TargetCounts counts targets.
type TargetCounts struct {
	StatusCounts
	// Indeterminate is how many last probes could not judge.
	Indeterminate int `json:"indeterminate"`
	// Failing is how many last probes failed of targets that are not down.
	Failing int `json:"failing"`
}

// Matched counts what the parameters of a request selected.
type Matched struct {
	Names   int `json:"names"`
	Pools   int `json:"pools"`
	Targets int `json:"targets"`
	Events  int `json:"events"`
}

// Name is what one steered name answers now, and why. If not all clients are answered alike, Mode and
// the fields up to TTL, Revisit and Reasons are of those that are worst off, as in the first of Views.
type Name struct {
	Zone   string       `json:"zone"`
	Name   string       `json:"name"`
	Policy zones.Policy `json:"policy"`
	// Mode is "normal", "held" (a pool that is down is not left yet, because of failover_after),
	// "panic" (so little of a tier is up that all of it is answered), "unknown" (nothing is up, but
	// these pools have had no verdict yet), "pending" (no reply until a first verdict has come), or
	// the when_all_down that is in force. It is "nodata" as well of clients that no view has.
	Mode          steer.Mode   `json:"mode"`
	Pool          string       `json:"pool"`           // what is answered; "nyc+sfo": of several, by weight or all; empty: none
	Region        string       `json:"region"`         // of the first pool
	PreferredPool string       `json:"preferred_pool"` // Pool as it is while all is well
	Addresses     []netip.Addr `json:"addresses"`      // of both families, of all pools that are answered
	TTL           float64      `json:"ttl_seconds"`
	// Revisit is when the answer may change without any change of health, because failback_after or
	// failover_after runs out.
	Revisit time.Time `json:"revisit,omitzero"`
	Stale   bool      `json:"stale"`   // a pool that is answered is, whoever the clients are
	Reasons []Reason  `json:"reasons"` // the pools in order of preference

	// Views is what the clients of the name are answered. Those that are answered alike are in one
	// entry, the worst off first, then those of the widest view. A name without views has one entry,
	// or several with policy "nearest". The first 50.
	Views      []View `json:"views"`
	ViewsTotal int    `json:"views_total"`

	// Rate is how many answers a second the name has got over the last minute; left out: that is not known, since so
	// many names are configured that answers are not counted for each.
	Rate *float64 `json:"answers_per_second,omitempty"`

	Pin  *Override `json:"pin,omitempty"` // a person's word about the name, followed or not; left out: none
	Held []Hold    `json:"held"`          // rules that hold something in its answers; the first 50
}

// View is what some clients of a name are answered, and why.
type View struct {
	// Clients is the views that these clients are in, of each client the narrowest; empty if the name
	// has no views, or no view has these clients. The first 50.
	Clients      []string   `json:"clients"`
	ClientsTotal int        `json:"clients_total"`
	Mode         steer.Mode `json:"mode"`
	Tier         int        `json:"tier"` // the pools are of; 1: the first; 0: what is answered is of none
	View         string     `json:"view"` // the wider view that this tier comes from; empty: the clients' own
	// Preferred says that all pools of the first tier are up and answered; with policies "failover" and
	// "nearest", that the first of them is. Pools of weight 0 do not count beside others.
	Preferred    bool      `json:"preferred"`
	Shares       []Share   `json:"shares"` // what is answered: one pool, or several that share the clients; the first 50
	SharesTotal  int       `json:"shares_total"`
	TTL          float64   `json:"ttl_seconds"`
	Revisit      time.Time `json:"revisit,omitzero"` // as of a name
	Stale        bool      `json:"stale"`            // a pool that is answered is
	Reasons      []Reason  `json:"reasons"`          // as of a name; the first 50
	ReasonsTotal int       `json:"reasons_total"`
}

// Share is a pool that is answered.
type Share struct {
	Pool   string `json:"pool"`
	Region string `json:"region"`
	Weight int    `json:"weight"`
	// Share is the part of the clients that are answered with the pool, from 0 to 1; 1 of each pool if
	// they are answered together. What a family of addresses gets differs where a pool has none of it.
	Share          float64      `json:"share"`
	Addresses      []netip.Addr `json:"addresses"` // of both families; the first 50
	AddressesTotal int          `json:"addresses_total"`
	CNAME          string       `json:"cname"` // answered instead of addresses; may be empty
}

// Reason is what a decision made of one pool.
type Reason struct {
	Tier   int           `json:"tier"` // that the pool is in; 1: the first; 0: it is the fallback
	View   string        `json:"view"` // the wider view that the tier comes from; empty: the clients' own
	Pool   string        `json:"pool"`
	Status health.Status `json:"status"`
	Chosen bool          `json:"chosen"`
	Why    string        `json:"why"`
}

// Pool is the state of one pool.
type Pool struct {
	Name    string        `json:"name"`
	Region  string        `json:"region"`
	Status  health.Status `json:"status"`
	Since   time.Time     `json:"since,omitzero"`
	Why     string        `json:"why"`
	Probed  health.Status `json:"probed"`  // what the probes alone make of it
	Turning bool          `json:"turning"` // the last results of one of its targets disagree with its status
	Stale   bool          `json:"stale"`   // the verdict of one of its targets is too old to be believed
	// Degraded is since when the data behind the pool is behind, so that no clients are moved to it; left out:
	// it is not.
	Degraded time.Time         `json:"degraded_since,omitzero"`
	MinUp    int               `json:"min_up"`
	CNAME    string            `json:"cname"` // answered instead of members; may be empty
	Alias    *Alias            `json:"alias"` // where the members come from; null: from the configuration
	Members  []Member          `json:"members"`
	Targets  []health.TargetID `json:"targets"` // of the checks made once for the pool
	// Load is how loaded the pool says that it is, if it gives up clients by that (shed), and Weight the weight
	// that it wants to have; left out: it says none.
	Load   *Load `json:"load,omitempty"`
	Weight *Load `json:"told_weight,omitempty"`

	// Drain and Force are persons' words about the whole pool; left out: none.
	Drain *Override `json:"drain,omitempty"`
	Force *Override `json:"force,omitempty"`
}

// Load is a number that targets tell beside their verdicts: a load or a weight, the mean of the last three probes.
type Load struct {
	Value   float64 `json:"value"`
	Percent bool    `json:"percent"` // it is a percentage
	// From and To are the watermarks of a pool's load; otherwise left out.
	From float64 `json:"from,omitempty"`
	To   float64 `json:"to,omitempty"`
}

// PoolLoad is how loaded a pool says that it is; nil: it says nothing, or has no watermarks.
func PoolLoad(p *steer.PoolState) *Load {
	load := NewLoad(p.Load)
	if load != nil {
		load.From, load.To = p.Pool.Shed.From, p.Pool.Shed.To
	}
	return load
}

// NewLoad is a number that a pool tells; nil: it tells none.
func NewLoad(told steer.Told) *Load {
	if !told.Known {
		return nil
	}
	return &Load{Value: told.Value, Percent: told.Percent}
}

// Alias is a host whose addresses are a pool's members.
type Alias struct {
	Host   string `json:"host"`
	Status string `json:"status"` // "unknown", "resolved" or "absent"
	// Age is the time since a resolver last named the addresses: of the two families, the longer one.
	// It is null if none are known.
	Age     *float64 `json:"age_seconds"`
	Lookups []Lookup `json:"lookups"` // the last ones, of each family
}

// Lookup is the last look-up of a host in one family.
type Lookup struct {
	Type   string    `json:"type"`          // "A" or "AAAA"
	At     time.Time `json:"at,omitzero"`   // when it ended; absent: none has
	Next   time.Time `json:"next,omitzero"` // when the next one begins
	Said   string    `json:"said"`          // by which resolver, and what; one line
	Failed bool      `json:"failed"`        // it told nothing, so that what was known before stays
	Denied int       `json:"denied"`        // how many answers in a row said that there are no addresses
}

// Member is one address of a pool.
type Member struct {
	Address netip.Addr        `json:"address"`
	Status  health.Status     `json:"status"`
	Probed  health.Status     `json:"probed"` // as of a pool
	Stale   bool              `json:"stale"`  // as of a pool
	Targets []health.TargetID `json:"targets"`

	Drain *Override `json:"drain,omitempty"` // persons' words about the member
	Force *Override `json:"force,omitempty"`
}

// Target is what is known of one target.
type Target struct {
	ID      health.TargetID `json:"id"`
	Check   string          `json:"check"`
	Kind    string          `json:"kind"` // "http", "tcp", "dynamodb"
	Subject string          `json:"subject"`
	Status  health.Status   `json:"status"`
	Since   time.Time       `json:"since,omitzero"`
	Turning bool            `json:"turning"` // its last verdicts disagree with its status

	// Age is the time since the last pass or fail; null: there was none. An indeterminate
	// probe is no verdict, so a target that cannot be judged any more ages.
	Age *float64 `json:"age_seconds"`
	// StaleAfter is the age, three intervals and a timeout, above which Stale is set: the
	// status is then a guess. A target that never had a verdict becomes stale so long after
	// the configuration was loaded.
	StaleAfter float64 `json:"stale_after_seconds"`
	Stale      bool    `json:"stale"`
	// Restored says that the status is an earlier run's, and not confirmed yet.
	Restored bool `json:"restored"`

	Last   *Probe      `json:"last"`         // null: no probe has ended yet
	Took   float64     `json:"took_seconds"` // how long that took
	Probes ProbeCounts `json:"probes"`       // of this run

	// Of the last verdicts, at most 20 unless the check's flap says otherwise, so many failed.
	RecentFailed int `json:"recent_failed"`
	Recent       int `json:"recent"`
	// Load is what the target tells of the load, or the weight, of its pools; left out: nothing.
	Load *Load `json:"load,omitempty"`
	// Held says by which rule Status is not what the verdicts make of it; left out: it is.
	Held *Hold `json:"held,omitempty"`

	// CertificateExpires is when the first certificate of the chain ends that the target has shown; left out: it has
	// shown none. Expiring says that it must be renewed, as the check wants it.
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	Expiring           bool      `json:"expiring,omitempty"`
	// Slow says that the last probe took longer than the check's slow.
	Slow bool `json:"slow,omitempty"`
}

// Probe is the outcome of a target's last probe.
type Probe struct {
	At      time.Time `json:"at"`      // when it ended
	Verdict string    `json:"verdict"` // "pass", "fail" or "indeterminate"
	Reason  string    `json:"reason"`  // one word
	Detail  string    `json:"detail"`  // one line; may be empty
}

// ProbeCounts counts probes by their verdict.
type ProbeCounts struct {
	Pass          uint64 `json:"pass"`
	Fail          uint64 `json:"fail"`
	Indeterminate uint64 `json:"indeterminate"`
	Slow          uint64 `json:"slow,omitempty"` // of all, those that took longer than the check's slow
}

// Page is which part of a list an answer has.
type Page struct {
	Total  int `json:"total"`  // that match
	Offset int `json:"offset"` // of the first
	Limit  int `json:"limit"`
}

// NameList is the answer of GET /api/v1/names.
type NameList struct {
	Names []Name `json:"names"` // by zone and name
	Page
}

// PoolList is the answer of GET /api/v1/pools.
type PoolList struct {
	Pools []Pool `json:"pools"` // by name
	Page
}

// TargetList is the answer of GET /api/v1/targets.
type TargetList struct {
	Targets []Target `json:"targets"` // by id
	Page
}

// IncidentList is the answer of GET /api/v1/incidents: those that last, the critical first and of these the
// youngest, and after them those that ended in the last day, the last first.
type IncidentList struct {
	Incidents []incident.Incident `json:"incidents"`
	Page
}

// EventList is the answer of GET /api/v1/events, in the order in which they happened: the last ones, or
// with after= the first of those after that ID. They are 10000 at most, whatever the limit.
type EventList struct {
	Events []journal.Event `json:"events"`
	Last   uint64          `json:"last"` // the ID to ask for those after; 0: there was no event yet
	// Missed says that events after the ID that was given are not kept any more.
	Missed bool `json:"missed"`
}
