package alias

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Status is whether the addresses of a host are known.
type Status int

const (
	Unknown  Status = iota // nothing is known yet
	Resolved               // it has addresses
	Absent                 // it has none, as was said often enough to be believed
)

// String returns "unknown", "resolved" or "absent".
func (s Status) String() string {
	switch s {
	case Resolved:
		return "resolved"
	case Absent:
		return "absent"
	}
	return "unknown"
}

// Host is what steering may know of one name.
type Host struct {
	Status Status
	// Awaited says that the name is new and its first look-ups have not all ended. What an earlier
	// run has found is there nevertheless.
	Awaited   bool
	Addresses []netip.Addr // Resolved: IPv4 before IPv6, sorted
	Why       string       // not Resolved: one line for an operator
}

// Equal reports whether two hosts are the same to steering.
func (h Host) Equal(other Host) bool {
	return h.Status == other.Status && h.Awaited == other.Awaited && h.Why == other.Why &&
		slices.Equal(h.Addresses, other.Addresses)
}

// Addresses is the immutable picture of all names at one moment. It is safe for concurrent use. The
// nil Addresses knows of no name.
type Addresses struct{ hosts map[string]Host }

// NewAddresses makes a picture that owns hosts, which are by name.
func NewAddresses(hosts map[string]Host) *Addresses { return &Addresses{hosts} }

// Of is what is known of a name: Unknown for one that is not looked up.
func (a *Addresses) Of(name string) Host {
	if a == nil {
		return Host{}
	}
	return a.hosts[name]
}

// ChangedSince is the names of which something else is known than in old, sorted.
func (a *Addresses) ChangedSince(old *Addresses) []string {
	if a == old {
		return nil
	}
	var names []string
	for _, of := range []*Addresses{a, old} {
		if of != nil {
			names = slices.AppendSeq(names, maps.Keys(of.hosts))
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return a.Of(name).Equal(old.Of(name)) })
}

// host is what is believed of a name, made of its two families.
//
//	the families                        │ the host is
//	────────────────────────────────────┼────────────────────────────────────────────
//	one has addresses, both were asked  │ resolved: the addresses of both
//	one has addresses, the other was    │ unknown and awaited, unless the waiting has
//	not asked yet                       │ ended or an earlier run has found addresses
//	both are believed to have none      │ absent
//	anything else                       │ unknown
//
// Without the second row, a host that is new would be without one family as long as its look-up
// takes, and clients would keep that.
func (e *entry) host() Host {
	h := Host{Awaited: !e.settled && !e.wereAsked()}
	if !h.Awaited || e.restored {
		for _, f := range e.families {
			h.Addresses = append(h.Addresses, f.addresses...)
		}
	}
	switch {
	case len(h.Addresses) > 0:
		h.Status = Resolved
		return h
	case e.families[0].gone() && e.families[1].gone():
		h.Status = Absent
	}
	var lines []string
	for _, f := range e.families {
		if !f.asked.IsZero() {
			lines = append(lines, f.String()+" "+f.last.detail)
		}
	}
	switch {
	case len(lines) == 0:
		h.Why = fmt.Sprintf("%s was not looked up yet", e.name)
	case h.Status == Absent:
		h.Why = fmt.Sprintf("%s has no addresses: %s", e.name, strings.Join(lines, ", "))
	default:
		h.Why = fmt.Sprintf("no addresses of %s are known: %s", e.name, strings.Join(lines, ", "))
	}
	return h
}

// Record is what the next run needs to know of a name.
type Record struct {
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses"`
	Confirmed time.Time    `json:"confirmed"` // when a resolver last named them
}

// restore makes an entry begin with the addresses of an earlier run, as far as they could be used.
func (e *entry) restore(r Record, now time.Time) {
	if r.Confirmed.After(now) {
		r.Confirmed = now // the clock was set back
	}
	for _, addr := range r.Addresses {
		f := e.families[0]
		if addr.Is6() {
			f = e.families[1]
		}
		if usable(addr) && len(f.addresses) < maxAddresses {
			f.addresses = append(f.addresses, addr)
			f.confirmed = r.Confirmed
			e.restored = true
		}
	}
	for _, f := range e.families {
		slices.SortFunc(f.addresses, netip.Addr.Compare)
		f.addresses = slices.Compact(f.addresses)
	}
}

// record is what is to be kept of an entry: nothing, if it has no addresses.
func (e *entry) record() (Record, bool) {
	r := Record{Name: e.name}
	for _, f := range e.families {
		if len(f.addresses) > 0 {
			r.Addresses = append(r.Addresses, f.addresses...)
			if at := f.confirmed.Round(0); r.Confirmed.IsZero() || at.Before(r.Confirmed) {
				r.Confirmed = at
			}
		}
	}
	return r, len(r.Addresses) > 0
}

// Report is what an operator is shown of a name.
type Report struct {
	Name string
	Host
	Families [2]FamilyReport // IPv4, IPv6
}

// FamilyReport is what an operator is shown of one family of a name.
type FamilyReport struct {
	Type      string       // of the records: "A" or "AAAA"
	Addresses []netip.Addr // that are believed
	Confirmed time.Time    // when a resolver last said so; zero: none has
	Asked     time.Time    // when the last look-up ended; zero: none has
	Next      time.Time    // when the next one begins; zero: no time is set yet
	Failing   bool         // the last look-up failed
	Said      string       // what the last look-up said, one line
	Denied    int          // how many answers in a row said that there are no addresses
}

// Confirmed is when a resolver last named the addresses: the older time of the two families that
// have some. It is zero without any.
func (r Report) Confirmed() (at time.Time) {
	for _, f := range r.Families {
		if len(f.Addresses) > 0 && (at.IsZero() || f.Confirmed.Before(at)) {
			at = f.Confirmed
		}
	}
	return at
}

func (e *entry) report() Report {
	r := Report{Name: e.name, Host: e.shown}
	for i, f := range e.families {
		r.Families[i] = FamilyReport{
			Type: f.String(), Addresses: f.addresses, Confirmed: f.confirmed, Asked: f.asked, Next: f.next,
			Failing: !f.asked.IsZero() && f.last.kind == failed, Said: f.last.detail, Denied: f.denied,
		}
	}
	return r
}
