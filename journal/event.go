package journal

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/replication"
	"gslb/steer"
)

// Bounds of one event: a steering may have 100,000 names, and a pool 5,000 addresses. A target
// chooses some of the text.
const (
	MostNames     = 10
	MostViews     = 10
	MostAddresses = 50
	MostText      = 2000 // bytes
)

// Event is a change that is served already, or something else that an operator wants to know of.
// It is plain data: a publish.Event would hold on to the whole configuration of its time.
type Event struct {
	// ID is greater than that of every event before, over restarts too.
	ID uint64    `json:"id"`
	At time.Time `json:"at"`
	// Kind says what changed.
	Kind Kind `json:"kind"`
	// Subject is a target's id, a pool's name, the first of the names, a file, an override's id, a
	// rule, or a copy: "orders@eu-west-1".
	Subject string `json:"subject"`
	// From and To are statuses (target, pool), conditions (copy), pools' names (answer: "nyc+sfo", or "nyc 75 % + sfo 25 %"
	// where the parts of the clients differ; empty: none), hashes (config, pending; From is empty), "refused" and empty (reload),
	// "in force" and empty (override, hold),
	// or "expiring" and "renewed" (expiry; From is empty before it is expiring).
	From string `json:"from"`
	To   string `json:"to"`
	Why  string `json:"why"` // one line; may be empty

	// By is the person who did it: "root (socket)", "ci (token)".
	By string `json:"by,omitempty"`

	// Lasted is how long a target or pool had the status From; left out: not known.
	Lasted float64 `json:"lasted_seconds,omitempty"`

	// Of an answer only. Changed says what differs first: "first" (there was no answer before), "pool",
	// "mode", "addresses", or "weights" (the same pools share the clients in other parts).
	Changed publish.Difference `json:"changed,omitempty"`
	// Views tells for which clients the answer changed so: the narrowest view of each; left out: for
	// all of a name without views. The first ten.
	Views      []string `json:"views,omitempty"`
	ViewsTotal int      `json:"views_total,omitempty"`
	// FromMode is left out when there was no answer before.
	FromMode       steer.Mode   `json:"from_mode,omitempty"`
	Mode           steer.Mode   `json:"mode,omitempty"`
	FromAddresses  []netip.Addr `json:"from_addresses,omitempty"` // the first 50
	Addresses      []netip.Addr `json:"addresses,omitempty"`      // the first 50
	AddressesTotal int          `json:"addresses_total,omitempty"`
	CNAMEs         []string     `json:"cnames,omitempty"` // answered instead of addresses; the first ten
	Names          []string     `json:"names,omitempty"`  // the first ten
	NamesTotal     int          `json:"names_total,omitempty"`
	// MovedBy is when caches have no answer of before any more, at the latest; left out of a first answer.
	MovedBy time.Time `json:"clients_moved_by,omitzero"`

	// Failed is when the first probe in a row began that failed, of a target that turned down, and of an answer
	// that changed for that; left out: not known.
	Failed time.Time `json:"first_failed,omitzero"`

	// Override is what a person said, of an override only.
	Override *override.Override `json:"override,omitempty"`

	// Of a hold only: the rule that keeps statuses or answers as they were, since when, and until when
	// at the latest; and of what.
	Rule         string            `json:"rule,omitempty"`
	Since        time.Time         `json:"since,omitzero"`
	Until        time.Time         `json:"until,omitzero"`
	Targets      []health.TargetID `json:"targets,omitempty"` // the first ten
	TargetsTotal int               `json:"targets_total,omitempty"`
	Pools        []string          `json:"pools,omitempty"` // the first ten

	// Degraded says, of a copy only, that no clients are moved to its region.
	Degraded bool `json:"degraded,omitempty"`

	// Steering is the zones.Steering.Key of an answer.
	Steering string `json:"-"`
	// Verdict is how a target was judged. It is for the log, from which an incident is replayed.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Census is what was believed of the targets when a configuration was taken into use.
	Census *Census `json:"census,omitempty"`
}

// Kind says what an event is about.
type Kind string

const (
	Target   Kind = "target"   // its status
	Expiry   Kind = "expiry"   // a target's certificate must be renewed, or has been
	Pool     Kind = "pool"     // its status
	Answer   Kind = "answer"   // what names are answered with
	Config   Kind = "config"   // another configuration is in use
	Reload   Kind = "reload"   // a configuration was refused, or another one after that was not
	Pending  Kind = "pending"  // a configuration waits for a person, or does so no more
	Override Kind = "override" // a person's word, or its end
	Copy     Kind = "copy"     // what is known of the data behind pools
	Hold     Kind = "hold"     // a rule of safety keeps statuses as they were, or does so no more
	Switch   Kind = "switch"   // how far a planned move of a name has come
	Failback Kind = "failback" // a person had a name return to its preferred pool
	Lost     Kind = "lost"     // events that are not in the log
)

// Refused is what a configuration is that was not taken into use, in From and To of a Reload.
const Refused = "refused"

// Verdict is the result that gave a target its status.
type Verdict struct {
	At     time.Time `json:"at"` // when the status changed
	Check  string    `json:"check"`
	Reason string    `json:"reason"`
}

// Census is the statuses of all targets of a configuration at one time. The lists are complete in
// the log, and have the first ten elsewhere.
type Census struct {
	Up             int               `json:"up"`
	Down           int               `json:"down"`
	Unknown        int               `json:"unknown"`
	DownTargets    []health.TargetID `json:"down_targets,omitempty"`
	UnknownTargets []health.TargetID `json:"unknown_targets,omitempty"`
}

// Short is an event with only the first of what a census lists, to be kept in memory and shown.
func (e Event) Short() Event {
	if e.Census != nil {
		census := *e.Census
		census.DownTargets = first(MostNames, census.DownTargets)
		census.UnknownTargets = first(MostNames, census.UnknownTargets)
		e.Census = &census
	}
	return e
}

// Of makes an event, without its ID, of one that was published. It reports false for one of which
// there is nothing to tell.
func Of(e publish.Event) (Event, bool) {
	switch {
	case e.Override != nil:
		return ofOverride(e.At, e.Override), true
	case e.Copy != nil:
		return ofCopy(e.At, e.Copy), true
	case e.Hold != nil:
		return ofHold(e.At, e.Hold), true
	case e.Target != nil:
		made := Event{
			At: e.At, Kind: Target, Subject: string(e.Target.Target.ID),
			From: e.Target.From.String(), To: e.Target.To.String(),
			Why:     cut(cmp.Or(e.Target.Cause.Detail, e.Target.Cause.Reason)),
			Lasted:  e.Target.Lasted.Seconds(),
			Verdict: &Verdict{At: e.Target.At, Check: e.Target.Target.Check, Reason: e.Target.Cause.Reason},
		}
		if e.Target.To == health.Down {
			made.Failed = e.Target.First
		}
		return made, true
	case e.Expiry != nil:
		return ofExpiry(e.At, e.Expiry), true
	case e.Pool != nil:
		return Event{
			At: e.At, Kind: Pool, Subject: e.Pool.To.Pool.Name,
			From: e.Pool.From.String(), To: e.Pool.To.Status.String(), Why: cut(e.Pool.To.Why),
			Lasted: e.Pool.Lasted.Seconds(),
		}, true
	case e.Answer != nil:
		return ofAnswer(e.At, e.Answer), true
	case e.Config != nil:
		made := Event{At: e.At, Kind: Config, Subject: e.Config.Path, To: e.Config.Hash}
		if e.Census != nil {
			made.Census = &Census{
				Up: e.Census.Up, Down: len(e.Census.Down), Unknown: len(e.Census.Unknown),
				DownTargets: e.Census.Down, UnknownTargets: e.Census.Unknown,
			}
		}
		return made, true
	}
	return Event{}, false
}

// inForce is what an override or a hold is until it ends.
const inForce = "in force"

func ofOverride(at time.Time, change *override.Change) Event {
	kept := change.Override
	e := Event{At: at, Kind: Override, Subject: kept.ID(), To: inForce, Why: cut(cmp.Or(change.Why, kept.Reason)), By: change.By, Until: kept.Until, Override: &kept}
	if change.Gone {
		e.From, e.To = inForce, ""
	}
	return e
}

func ofCopy(at time.Time, change *replication.Change) Event {
	why := change.Lags.String()
	if change.To.Why != "" {
		why = change.To.Why + " (" + why + ")"
	}
	return Event{
		At: at, Kind: Copy, Subject: change.ID(),
		From: change.From.Condition.String(), To: change.To.Condition.String(), Why: cut(why), Degraded: change.To.Degraded,
	}
}

// The words for certificates, in From and To.
const (
	expiring = "expiring"
	renewed  = "renewed"
)

func ofExpiry(at time.Time, change *publish.Expiry) Event {
	e := Event{At: at, Kind: Expiry, Subject: string(change.Target), From: expiring, To: renewed}
	if !change.Until.IsZero() {
		e.From, e.To = "", expiring
		e.Why = "the certificate is valid until " + change.Until.UTC().Format(time.RFC3339) + ": renew it"
	}
	return e
}

func ofHold(at time.Time, change *publish.HoldChange) Event {
	e := Event{
		At: at, Kind: Hold, Subject: change.Rule, To: inForce, Why: cut(change.Why),
		Rule: change.Rule, Since: change.Since, Until: change.Until,
		Targets: first(MostNames, change.Targets), TargetsTotal: len(change.Targets), Pools: first(MostNames, change.Pools),
	}
	if change.Over {
		e.From, e.To = inForce, ""
	}
	return e
}

func ofAnswer(at time.Time, change *publish.AnswerChange) Event {
	e := Event{
		At: at, Kind: Answer,
		From: cut(change.From.Described()), To: cut(change.To.Described()), Why: cut(whyAnswer(change)),
		Changed:  change.Difference(),
		FromMode: change.From.Mode, Mode: change.To.Mode,
		FromAddresses: first(MostAddresses, change.From.Addresses()),
		Addresses:     first(MostAddresses, change.To.Addresses()), AddressesTotal: len(change.To.Addresses()),
		NamesTotal: len(change.Names),
		Failed:     change.Failed,
	}
	if cached := change.Cached(); cached > 0 {
		e.MovedBy = at.Add(cached)
	}
	views := change.Views()
	e.Views, e.ViewsTotal = first(MostViews, views), len(views)
	for _, share := range change.To.Shares {
		if share.Pool.CNAME != "" && len(e.CNAMEs) < MostNames {
			e.CNAMEs = append(e.CNAMEs, share.Pool.CNAME)
		}
	}
	for _, name := range first(MostNames, change.Names) {
		e.Names = append(e.Names, name.Name)
	}
	if len(e.Names) > 0 {
		e.Subject = e.Names[0]
	}
	if change.To.Route != nil {
		e.Steering = change.To.Route.Steering.Key
	}
	return e
}

// whyAnswer is the reasons for an answer: of the pools that explain the change.
func whyAnswer(change *publish.AnswerChange) string {
	pools, causes := change.Why()
	why := make([]string, causes)
	for i, c := range pools[:causes] {
		why[i] = c.Pool + ": " + c.Why
	}
	return strings.Join(why, "; ")
}

// first is at most n items, in memory of their own.
func first[T any](n int, items []T) []T { return slices.Clone(items[:min(n, len(items))]) }

// cut shortens text to about MostText bytes, at the end of a character.
func cut(text string) string {
	if len(text) <= MostText {
		return text
	}
	return strings.ToValidUTF8(text[:MostText], "") + " …"
}
