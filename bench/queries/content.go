package queries

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

const (
	zone = "gslb.example.com."
	ttl  = 20 // seconds, of every record
)

// nameservers are the zone's.
var nameservers = [...]nameserver{{"ns1", "192.0.2.53"}, {"ns2", "198.51.100.53"}}

// nameserver is one in the zone, and its glue.
type nameserver struct{ Label, Addr string }

// content is the zone that all contenders serve: its apex, and so many names, each with the
// addresses of a pool. Where a contender can steer, and pools is not 0, a name goes over from
// its pool to the next one when that fails, which it does not.
type content struct {
	names  int
	pools  int // 0: static, every name has an address of its own
	groups int // not 0: all names have the first pool, and differ in so many ways in the next ones
	shift  int // moves every name to another pool or address

	policies []string // the names have them in turn; none: all have failover
	views    []string // of the names with byView, the narrowest first
	clients  *clients // whose views are known; for a content with views
}

// The policies that names can have.
const (
	failover = "failover"
	weighted = "weighted"
	all      = "all"
	sticky   = "sticky"
	byView   = "views" // a pool for each view, and failover in it
)

// sharing is how many pools share clients.
const sharing = 3

// owner is the label of a name.
func owner(name int) string { return fmt.Sprintf("n%07d", name) }

// policy is that of a name.
func (c content) policy(name int) string {
	if len(c.policies) == 0 {
		return failover
	}
	return c.policies[name%len(c.policies)]
}

// named is a name with a policy: one of those, by its number among them.
func (c content) named(policy string, number int) int {
	turn := max(1, len(c.policies))
	return number%(c.names/turn)*turn + max(0, slices.Index(c.policies, policy))
}

// route is the pools that a name has, in their order, for the clients of a view; the first one
// is what they are answered with.
func (c content) route(name, view int) []int {
	if c.groups > 0 {
		digit := name % c.groups // one of three decimal ones, for each view
		for range view % 3 {
			digit /= 10
		}
		both := []int{0, 1 + (digit+view)%(c.pools-1)}
		return []int{both[c.shift%2], both[(c.shift+1)%2]}
	}
	first := name/max(1, len(c.policies)) + view + c.shift
	if c.policy(name) == failover || c.policy(name) == byView {
		return []int{first % c.pools, (first + 1) % c.pools}
	}
	var shared []int
	for i := range sharing {
		shared = append(shared, (first+i)%c.pools)
	}
	return shared
}

// poolAddrs are on loopback, where checks can reach them: all of 127.0.0.0/8 is there by
// itself, and reachPools adds fd00:1::/64.
func poolAddrs(pool int) []netip.Addr {
	high, low := byte((pool+1)>>8), byte(pool+1)
	v6 := [16]byte{0xfd, 0, 0, 1}
	v6[14], v6[15] = high, low
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 1, high, low}), netip.AddrFrom16(v6)}
}

// addrs are those that a name is answered with under failover: IPv4, and IPv6 for one with a pool.
func (c content) addrs(name int) []netip.Addr {
	if c.pools > 0 {
		return poolAddrs(c.route(name, 0)[0])
	}
	n := name + c.shift
	return []netip.Addr{netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
}

// writeMaster writes the zone as a master file (RFC 1035, section 5), for contenders that do
// not steer.
func (c content) writeMaster(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "$TTL %d\n@ SOA %s hostmaster %d 3600 600 86400 5\n", ttl, nameservers[0].Label, 1+c.shift)
	for _, ns := range nameservers {
		fmt.Fprintf(b, "@ NS %s\n%s A %s\n", ns.Label, ns.Label, ns.Addr)
	}
	for name := range c.names {
		for _, addr := range c.addrs(name) {
			fmt.Fprintf(b, "%s %s %s\n", owner(name), dns.TypeToString[typeOf(addr)], addr)
		}
	}
	return b.Flush()
}

// typeOf is the type of an address's record.
func typeOf(addr netip.Addr) uint16 {
	if addr.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}
