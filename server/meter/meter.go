package meter

import (
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"

	"gslb/internal/rrl"
	"gslb/internal/wire"
)

// Meter counts for one responder, or for several: it is safe for concurrent use, but fastest
// with one writer, whose counters no other processor touches until they are scraped.
type Meter struct {
	*Metrics
	server, proto string

	drops        [drops]atomic.Uint64
	truncated    atomic.Uint64
	rations      [classes][actions]atomic.Uint64
	requestSize  histogram
	responseSize histogram

	mu    sync.Mutex                       // held to add a zone
	zones atomic.Pointer[map[string]*Zone] // by label; replaced, never changed
}

// Zone counts the queries that one zone answered.
type Zone struct {
	label     string
	requests  [families][queryTypes]atomic.Uint64
	responses [rcodes]atomic.Uint64
	duration  histogram
}

const (
	families = 2 // IPv4, IPv6
	classes  = int(rrl.Error) + 1
	actions  = int(rrl.Drop) + 1
)

// Drop says why a message got no reply.
type Drop uint8

const (
	DropShort    Drop = iota // no whole header
	DropResponse             // not a query
	DropSend                 // the reply could not be sent
	DropFull                 // the same, because the socket's send buffer was full
	DropPending              // what it asks for is not decided yet
	drops        = iota
	// Answerable is no reason: the message must have a reply.
	Answerable = Drop(drops)
)

// String is the label of the reason.
func (d Drop) String() string {
	switch d {
	case DropShort:
		return "short"
	case DropResponse:
		return "response"
	case DropFull:
		return "full"
	case DropPending:
		return "pending"
	}
	return "send"
}

// Answered counts a query and its reply. Without a reply, the rate limit dropped it.
func (m *Meter) Answered(z *Zone, qtype uint16, client netip.Addr, rcode, size int, out []byte) {
	family := 0
	if !client.Is4() {
		family = 1
	}
	z.requests[family][typeIndex(qtype)].Add(1)
	m.requestSize.add(size, 1)
	if out == nil {
		return
	}
	z.responses[min(rcode, rcodes-1)].Add(1)
	m.responseSize.add(len(out), 1)
	if len(out) >= wire.HeaderSize && binary.BigEndian.Uint16(out[wire.OffFlags:])&wire.FlagTC != 0 {
		m.truncated.Add(1)
	}
}

// Zone returns the counters of a zone; empty: of none.
func (m *Meter) Zone(name string) *Zone {
	label := m.label(name)
	if z := (*m.zones.Load())[label]; z != nil {
		return z
	}
	return m.addZone(label)
}

// addZone makes the counters of a label.
func (m *Meter) addZone(label string) *Zone {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.zones.Load()
	if z := old[label]; z != nil {
		return z
	}
	z := &Zone{label: label}
	z.duration.bounds = durationBounds[:]
	zones := maps.Clone(old)
	zones[label] = z
	m.zones.Store(&zones)
	return z
}

// Took counts how long n replies that the zone's queries got took to make, in nanoseconds each.
func (z *Zone) Took(ns, n int) { z.duration.add(ns, n) }

// Dropped counts a message that got no reply.
func (m *Meter) Dropped(why Drop) { m.drops[why].Add(1) }

// Rationed counts a response that the rate limit stopped, and logs the networks for which that
// begins or ends.
func (m *Meter) Rationed(logger *slog.Logger, network netip.Prefix, class rrl.Class, d rrl.Decision) {
	m.rations[class][d.Action].Add(1)
	switch d.Change {
	case rrl.Entered:
		m.limited.Do(func() {
			logger.Warn("the rate of responses to a network is limited; addresses in it may be forged, or it asks too much",
				"network", network, "class", class.String())
		})
	case rrl.Left:
		m.unlimited.Do(func() {
			logger.Info("the rate of responses to a network is back below the limit", "network", network, "class", class.String())
		})
	}
}

// Panicked counts and reports a query whose handling panicked, and how it begins, so that the fault
// can be found.
func (m *Meter) Panicked(logger *slog.Logger, query []byte, cause any, stack []byte) {
	const most = 512
	m.panics.Inc()
	m.complaints.Do(func() {
		logger.Error("handling a query panicked; it was answered SERVFAIL, if it could be",
			"query", hex.EncodeToString(query[:min(most, len(query))]), "panic", cause, "stack", string(stack))
	})
}

// labelledTypes are the query types that have a label: those seen in daily use. The place of
// one is what it is counted by; others have the place after the last.
var labelledTypes = [...]uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeANY, dns.TypeAXFR, dns.TypeCAA, dns.TypeCNAME,
	dns.TypeDNSKEY, dns.TypeDS, dns.TypeHTTPS, dns.TypeIXFR, dns.TypeMX, dns.TypeNAPTR,
	dns.TypeNS, dns.TypeNSEC, dns.TypePTR, dns.TypeSOA, dns.TypeSRV, dns.TypeSVCB,
	dns.TypeTLSA, dns.TypeTXT,
}

const queryTypes = len(labelledTypes) + 1

// typePlaces is the place of each type in labelledTypes.
var typePlaces = func() (places [512]uint8) {
	for t := range places {
		places[t] = uint8(len(labelledTypes))
	}
	for i, t := range labelledTypes {
		places[t] = uint8(i)
	}
	return places
}()

func typeIndex(qtype uint16) int {
	if int(qtype) < len(typePlaces) {
		return int(typePlaces[qtype])
	}
	return len(labelledTypes)
}

// typeLabel is the label of what is counted at a place.
func typeLabel(place int) string {
	if place < len(labelledTypes) {
		return dns.TypeToString[labelledTypes[place]]
	}
	return "other"
}

// rcodes is how many response codes are counted; higher ones count as the last.
const rcodes = 25

// rcodeLabel is the response code as the IANA registry names it.
func rcodeLabel(rcode int) string {
	if rcode == dns.RcodeBadVers { // shares its number with TSIG's BADSIG
		return "BADVERS"
	}
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return "other"
}
