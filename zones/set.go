package zones

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"gslb/health"
	"gslb/internal/cookie"
	"gslb/zones/records"
)

// Set is a whole validated configuration in domain types. It is immutable once Load has
// returned it, and safe for concurrent use.
type Set struct {
	Path   string    // the file it was read from
	Hash   string    // SHA-256, in hexadecimal, of every byte that was read
	Files  []string  // every file that was read, Path first; these are watched for changes
	Loaded time.Time // when

	// Warnings is what is valid, but probably a mistake, a line each.
	Warnings []error

	Server Server
	Admin  Admin

	Targets   []health.Target // each once, by ID
	Pools     []*Pool         // by Name; Pool.Index is its place here
	Zones     []*Zone         // by Name
	Steerings []*Steering     // each once; Steering.Index is its place here
}

// Server is the [server] table of zones.toml.
type Server struct {
	Listen      []netip.AddrPort // UDP and TCP
	ID          string           // its name for clients that ask (RFC 5001, RFC 4892); empty: none
	Version     string           // the same of its version
	Cookies     Cookies
	RateLimit   RateLimit
	TCP         TCPLimits
	StateDir    string        // absolute, or relative to the working directory; empty: nothing is kept
	StateMaxAge time.Duration // how old a verdict of an earlier run may be and still serve
	StartupWait time.Duration // how long the first answers may wait for the first verdicts
}

// Cookies is whether and how DNS cookies (RFC 7873) are given out.
type Cookies struct {
	Enabled bool
	// Secrets are shared with other servers: the first makes cookies, all verify. Without any,
	// the server makes up its own.
	Secrets []cookie.Secret
}

// RateLimit is the [server.rate_limit] table: how many responses over UDP of one kind may go
// to one network.
type RateLimit struct {
	Rate                   int // a second; 0: there is no limit
	Burst                  int // at once
	Slip                   int // one limited response in so many is sent truncated; 0: none
	IPv4Prefix, IPv6Prefix int // what is one network
	Exempt                 []netip.Prefix
}

// Equal reports whether two limits are the same.
func (r RateLimit) Equal(other RateLimit) bool {
	exempt := slices.Equal(r.Exempt, other.Exempt)
	r.Exempt, other.Exempt = nil, nil
	return exempt && reflect.DeepEqual(r, other)
}

// TCPLimits is the [server.tcp] table.
type TCPLimits struct {
	Connections int           // in all
	PerClient   int           // from one IPv4 address or IPv6 /64
	Idle        time.Duration // how long a connection may wait for its next query
	Lifetime    time.Duration // how long one may last in all
}

// Admin is the [admin] table.
type Admin struct {
	Listen netip.AddrPort // the zero value: no admin server
	Hosts  []string       // names and addresses that it may be asked by, lower case, without a final dot
}

// Pool is the addresses of one place, with its checks.
type Pool struct {
	Index   int // in Set.Pools
	Name    string
	Region  string
	Members []Member
	Targets []health.TargetID // of the checks that are made once for the pool
	MinUp   int               // so many members must be up; at least 1, at most len(Members)
}

// Member is one address of a pool.
type Member struct {
	Address netip.Addr
	Targets []health.TargetID
}

// Zone is what is delegated here.
type Zone struct {
	Name        string // fully qualified, lower case
	TTL         time.Duration
	NegativeTTL time.Duration
	Serial      uint32
	Hash        string // SHA-256, in hexadecimal, of what the zone's static data is made from
	Nameservers []Nameserver
	// Data is all static records: the SOA and NS at the apex, the glue, and what the
	// configuration lists.
	Data  records.Data
	Names []*Name // by Name
}

// Serial is the SOA serial that a zone had with a certain content.
type Serial struct {
	Hash   string // Zone.Hash
	Serial uint32
}

// Nameserver is one server of a zone and, where its name lies in the zone, the addresses
// that the parent needs as glue.
type Nameserver struct {
	Name      string // fully qualified, lower case
	Addresses []netip.Addr
}

// Name is one owner name that is steered. The name may be a wildcard.
type Name struct {
	Name     string // fully qualified, lower case
	Zone     *Zone
	Steering *Steering
}

// Policy is how a name chooses among its pools.
type Policy string

// Failover goes by the listed order.
const Failover Policy = "failover"

// Steering is everything that decides a name's answer. Names that are steered alike share
// one, so that a decision is made, kept and packed once for all of them.
type Steering struct {
	Index  int    // in Set.Steerings
	Key    string // the same for the same steering, over reloads and restarts
	Order  string // of Key, the policy and the pools alone
	Policy Policy
	Pools  []*Pool // in order of preference

	TTL    time.Duration
	TTLMin time.Duration // while a target that the decision consulted is turning

	WhenAllDown   WhenAllDown
	Fallback      *Pool         // for UseFallback
	FailbackAfter time.Duration // a preferred pool must have been up for so long to be returned to
}

// WhenAllDown is what a name answers when none of its pools is left.
type WhenAllDown string

const (
	AssumeUp    WhenAllDown = "assume_up" // decide as if all were up
	LastGood    WhenAllDown = "last_good" // what was last answered while something was up
	UseFallback WhenAllDown = "fallback"  // a named pool, whatever its status
	ServFail    WhenAllDown = "servfail"  // resolvers may then serve stale data (RFC 8767)
)
