package zones

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"iter"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"gslb/geo"
	"gslb/health"
	"gslb/internal/cookie"
	"gslb/internal/plural"
	"gslb/replication"
	"gslb/safety"
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
	Safety safety.Settings
	Notify Notify

	Databases []geo.Database // of server.geoip, in its order

	Replications []*replication.Group // by Name

	Targets   []health.Target // each once, by ID
	Pools     []*Pool         // by Name; Pool.Index is its place here
	Zones     []*Zone         // by Name
	Steerings []*Steering     // each once; Steering.Index is its place here
	Routes    []*Route        // of all steerings, those of one together; Route.Index is its place here
}

// Aliases is the hosts that pools have as their alias, each once, sorted.
func (s *Set) Aliases() []string {
	var hosts []string
	for _, pool := range s.Pools {
		if pool.Alias != "" {
			hosts = append(hosts, pool.Alias)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// AliasTargets is the targets that aliases will have once they are looked up, with an address that stands for any:
// for what does not depend on it, such as how long a probe takes.
func (s *Set) AliasTargets() []health.Target {
	var targets []health.Target
	for _, pool := range s.Pools {
		if pool.Alias != "" {
			list, _ := pool.Apply(netip.IPv6Loopback()) // without those that it cannot have
			targets = append(targets, list...)
		}
	}
	return targets
}

// String counts what the configuration has.
func (s *Set) String() string {
	names := 0
	for _, z := range s.Zones {
		names += len(z.Names)
	}
	line := fmt.Sprintf("%s, %s, %s, %s", plural.Of(len(s.Zones), "zone", "zones"), plural.Of(names, "steered name", "steered names"),
		plural.Of(len(s.Pools), "pool", "pools"), plural.Of(len(s.Targets), "target", "targets"))
	if len(s.Routes) > len(s.Steerings) {
		line += ", " + plural.Of(len(s.Routes), "route", "routes") + " by where clients are"
	}
	return line
}

// Name is the steered name with this owner, fully qualified and in lower case; nil: there is none.
func (s *Set) Name(owner string) *Name {
	for i := range owner {
		if i > 0 && owner[i-1] != '.' {
			continue // no label begins here
		}
		at, found := slices.BinarySearchFunc(s.Zones, owner[i:], func(z *Zone, name string) int { return strings.Compare(z.Name, name) })
		if !found {
			continue
		}
		names := s.Zones[at].Names
		if at, found = slices.BinarySearchFunc(names, owner, func(n *Name, owner string) int { return strings.Compare(n.Name, owner) }); found {
			return names[at]
		}
	}
	return nil
}

// NamesBeginning is the names, at most so many, whose first labels are a text that a person may have taken for
// a whole name: app.example.com. for "app".
func (s *Set) NamesBeginning(text string, most int) []*Name {
	var list []*Name
	first := Qualified(text)
	for _, zone := range s.Zones {
		at, _ := slices.BinarySearchFunc(zone.Names, first, func(n *Name, first string) int { return strings.Compare(n.Name, first) })
		for ; at < len(zone.Names) && strings.HasPrefix(zone.Names[at].Name, first) && len(list) < most; at++ {
			list = append(list, zone.Names[at])
		}
	}
	return list
}

// Pool is the pool with this name; nil: there is none.
func (s *Set) Pool(name string) *Pool {
	at, found := slices.BinarySearchFunc(s.Pools, name, func(p *Pool, name string) int { return strings.Compare(p.Name, name) })
	if !found {
		return nil
	}
	return s.Pools[at]
}

// Qualified is a name that a person wrote as a Set has it: in lower case, with a final dot, and with
// xn-- where it is not ASCII. What can be no name stays as it is, and is not found.
func Qualified(name string) string {
	if ascii, err := ASCIIName(name); err == nil {
		name = ascii
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")) + "."
}

// Plain is a name as people write it: without the final dot.
func Plain(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
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
	// IgnoreSubnet says that clients are judged by the address that a query comes from, whatever
	// network its client subnet option (RFC 7871) names.
	IgnoreSubnet bool
	Resolvers    []netip.AddrPort // that are asked for the addresses of aliases; none: those of this host
	ExecParallel int              // how many commands of checks may run at once; 0: no check may run any
	Dnstap       Dnstap
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

// Dnstap is the [server.dnstap] table: where queries and replies are logged. The zero value: nowhere.
type Dnstap struct {
	Network string // "unix", "tcp" or "file"
	Address string // of the collector, or the path of the socket or file
	MaxSize int64  // bytes of a file
	Keep    int    // older files

	Sample             float64 // the share of the queries
	Queries, Responses bool    // whether these are logged
	Identity, Version  string  // of this server; empty: by default
}

// Admin is the [admin] table.
type Admin struct {
	Listen netip.AddrPort // the zero value: nothing over TCP
	Socket string         // the path of the unix socket; empty: none
	// Explicit says that the configuration asks for the socket. Otherwise it is there by default, and
	// the server does without it where it cannot be made.
	Explicit bool
	Hosts    []string // names and addresses that it may be asked by, lower case, without a final dot

	Tokens      []Token          // each makes its bearer known, in the order of the file
	ReadToken   bool             // over TCP, reading is for those who are known, too
	Certificate *tls.Certificate // nil: no TLS; with its Leaf
	ClientCAs   *x509.CertPool   // whose certificates make clients known; nil: none
	Files       AdminFiles
}

// AdminFiles is where what makes clients known was read from; an empty path: nowhere.
type AdminFiles struct{ Tokens, Cert, Key, ClientCA string }

// Token is what the server knows of a secret token.
type Token struct {
	Name string            // whose it is
	Sum  [sha256.Size]byte // of the token
}

// Pool is the addresses of one place, with its checks.
type Pool struct {
	Index   int // in Set.Pools
	Name    string
	Region  string
	Members []Member // none with CNAME or Alias
	// CNAME is what is answered instead of addresses; fully qualified and in lower case, or empty.
	CNAME   string
	Targets []health.TargetID // of the checks that are made once for the pool

	// Alias is a host whose addresses, as they are at the time, are the members; fully qualified and
	// in lower case, or empty.
	Alias  string
	Checks []MemberCheck // with Alias: what is made for each of the addresses

	MinUp                Quorum // so many members must be up; none with CNAME
	MinUpIPv4, MinUpIPv6 Quorum // the same of one family

	// Replication is the group whose copy in Region is the pool's data; nil: that is not looked at.
	Replication *replication.Group
	// DownDegraded says that the pool is down while its copy is degraded. Otherwise it stays as it is, but
	// clients are not moved to it.
	DownDegraded bool

	Weight   int        // where a name gives it none of its own, and no check says another
	Shed     *Shed      // how it gives up clients when it is loaded; nil: it does not
	Location *geo.Point // nil: not given
}

// Shed is how a pool gives up clients, by the load that its check finds.
type Shed struct {
	From    float64       // the low watermark: above it clients are given up
	To      float64       // the high watermark: at it there is nothing that it would not give up
	Percent bool          // they are written as percentages
	Settles time.Duration // how long the load takes to show a change in full
}

// Quorum is how many of some members must be up: a count or, if it is not 0, a percentage, which is
// rounded up. The zero value asks for none.
type Quorum struct{ Count, Percent int }

// Of is how many of so many members must be up.
func (q Quorum) Of(members int) int {
	if q.Percent > 0 {
		return (q.Percent*members + 99) / 100
	}
	return q.Count
}

// Member is one address of a pool.
type Member struct {
	Address netip.Addr
	Targets []health.TargetID
}

// MemberCheck is a check that is made for each address of an alias.
type MemberCheck struct {
	Name string
	// Operand says that the pool is not judged by it, but by others that are calculated from it.
	Operand bool
	Suffix  string                         // of the targets' IDs, where pools make different ones of the check and an address
	Same    map[netip.Addr]health.TargetID // the IDs of those that pools that list an address have in Set.Targets
	// Target makes the target of an address, without its ID. It is safe for concurrent use, and always
	// makes the same of the same.
	Target func(netip.Addr) (health.Target, error)
}

// ID is the ID of an address's target.
func (c *MemberCheck) ID(addr netip.Addr) health.TargetID {
	if id, ok := c.Same[addr]; ok {
		return id
	}
	return health.TargetID(c.Name + "@" + addr.String() + c.Suffix)
}

// Member is the member that an address of the pool's alias is.
func (p *Pool) Member(addr netip.Addr) Member {
	m := Member{Address: addr, Targets: make([]health.TargetID, 0, len(p.Checks))}
	for i := range p.Checks {
		if !p.Checks[i].Operand {
			m.Targets = append(m.Targets, p.Checks[i].ID(addr))
		}
	}
	return m
}

// IDs is those of all targets of an address of the pool's alias, also of those that others are calculated
// from.
func (p *Pool) IDs(addr netip.Addr) []health.TargetID {
	ids := make([]health.TargetID, len(p.Checks))
	for i := range p.Checks {
		ids[i] = p.Checks[i].ID(addr)
	}
	return ids
}

// Apply makes the targets of an address of the pool's alias.
func (p *Pool) Apply(addr netip.Addr) ([]health.Target, error) {
	targets := make([]health.Target, len(p.Checks))
	for i := range p.Checks {
		t, err := p.Checks[i].Target(addr)
		if err != nil {
			return nil, fmt.Errorf("check %q for address %s of pool %q: %w", p.Checks[i].Name, addr, p.Name, err)
		}
		t.ID = p.Checks[i].ID(addr)
		targets[i] = t
	}
	return targets, nil
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

// Policy is how the pools of a tier share clients.
type Policy string

const (
	Failover Policy = "failover" // a tier has one pool
	Weighted Policy = "weighted" // one pool for each query, at random by weight
	Sticky   Policy = "sticky"   // one pool for each client network, by a hash and the weights
	All      Policy = "all"      // the members of all pools
	Nearest  Policy = "nearest"  // the pool nearest to the client
)

// IsOrdered reports whether a tier answers with the first of its pools that can be answered, so that
// clients share none.
func (p Policy) IsOrdered() bool { return p == Failover || p == Nearest }

// Steering is everything that decides a name's answer. Names that are steered alike share
// one, so that a decision is made, kept and packed once for all of them.
//
//	client ─► Map ─► one of Routes = tiers in order ─► the first tier with a pool up ─► by Policy
type Steering struct {
	Index  int    // in Set.Steerings
	Key    string // the same for the same steering, over reloads and restarts
	Policy Policy
	// Map says which route a client takes, by class. It is nil where one route is for all clients.
	Map    *geo.Map
	Routes []*Route
	Pools  []*Pool // of all routes, each once, in the order in which they are configured

	MaxAnswers int  // so many addresses are answered of those that could be; 0: all
	Fixed      bool // addresses are answered as configured, not rotated

	TTL    time.Duration
	TTLMin time.Duration // in an emergency, and while a target that the decision consulted is turning

	FailoverAfter time.Duration // a pool that was answered must have been down for so long to be left
	Failback      Failback      // how one that was left is returned to
	FailbackAfter time.Duration // it must have been up for so long; none with FailbackManual
	FailbackRamp  time.Duration // its part of the clients grows for so long; none but with FailbackRamped
	MaxDown       int           // so many pools go down by probes within Within, the next waits; 0: any number
	Within        time.Duration
	PanicBelow    int // if a smaller percentage of a tier's weight is up, all of it is used; 0: never
	WhenAllDown   WhenAllDown
	Fallback      *Pool // for UseFallback
}

// Candidates are all pools that may be answered: those of the routes, and the fallback.
func (s *Steering) Candidates() iter.Seq[*Pool] {
	return func(yield func(*Pool) bool) {
		for _, p := range s.Pools {
			if !yield(p) {
				return
			}
		}
		if s.Fallback != nil && !slices.Contains(s.Pools, s.Fallback) {
			yield(s.Fallback)
		}
	}
}

// Route is the tiers for the clients of one class, in order of preference. They come from all views
// that such a client is in, the narrowest first.
type Route struct {
	Index    int    // in Set.Routes
	Key      string // the same for the same route, over reloads and restarts
	Order    string // the names of its pools, with "," between those of a tier and "|" between tiers
	Steering *Steering
	Views    []string // of its clients, as configured, the narrowest first; none: the steering has no views
	Tiers    []Tier
}

// Tier is pools that share clients. The next tier is used when nothing of this one is left.
type Tier struct {
	View   string // that it comes from; empty: the steering has no views
	Shares []Share
}

// Share is the part of a tier's clients that a pool gets: its weight of the sum of all weights.
// Weight 0 means none while a pool with another weight is left. With policy nearest the shares stand
// in the order of their distance to the route's clients.
type Share struct {
	Pool   *Pool
	Weight int
}

// Failback is how a pool that is preferred, and has recovered, is returned to.
type Failback string

const (
	FailbackAuto   Failback = "auto"   // by itself
	FailbackManual Failback = "manual" // when a person says so; each name then has a Steering of its own
	FailbackRamped Failback = "ramped" // by itself, with a part of the clients that grows
)

// WhenAllDown is what a name answers when none of its pools is left.
type WhenAllDown string

const (
	AssumeUp    WhenAllDown = "assume_up" // decide as if all were up
	LastGood    WhenAllDown = "last_good" // what was last answered while something was up
	UseFallback WhenAllDown = "fallback"  // a named pool, whatever its status
	AnswerAll   WhenAllDown = "all"       // every address of every pool
	NoData      WhenAllDown = "nodata"    // no address, so that clients fail fast
	ServFail    WhenAllDown = "servfail"  // resolvers may then serve stale data (RFC 8767)
)

// international turns names into the form that DNS has as browsers do (UTS #46, not
// transitional). Whether a host may be named so is checked elsewhere: some have underscores.
var international = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

// ASCIIName is a name in the form that DNS has: with xn-- for what is not ASCII. One that is ASCII is
// left alone.
func ASCIIName(text string) (string, error) {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return text, nil
	}
	name, err := international.ToASCII(text)
	if err != nil {
		return "", fmt.Errorf("it has no xn-- form: %w", err)
	}
	return name, nil
}
