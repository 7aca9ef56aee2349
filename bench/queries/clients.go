package queries

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"gslb/bench/geodb"
)

// client is who asks: from an address of this host, by itself or as a resolver that tells the
// subnet of its own client (RFC 7871). The zero value is from any address.
type client struct {
	source netip.Addr
	subnet netip.Prefix
}

// addr is what servers judge the client by.
func (c client) addr() netip.Addr {
	if c.subnet.IsValid() {
		return c.subnet.Addr()
	}
	return c.source
}

// String follows a question in an error.
func (c client) String() string {
	switch {
	case c.subnet.IsValid():
		return " for " + c.subnet.String()
	case c.source.IsValid():
		return " from " + c.source.String()
	}
	return ""
}

// option is the one that tells the subnet.
func (c client) option() *dns.EDNS0_SUBNET {
	option := &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(c.subnet.Bits()), Address: c.subnet.Addr().AsSlice(),
	}
	if c.subnet.Addr().Is6() {
		option.Family = 2
	}
	return option
}

// judgeOption returns nil where the reply has the question's subnet, and no more of it mattered
// than there is. Without a subnet there must be none in the reply.
func (c client) judgeOption(reply *dns.Msg) error {
	var got *dns.EDNS0_SUBNET
	if edns := reply.IsEdns0(); edns != nil {
		for _, option := range edns.Option {
			if subnet, ok := option.(*dns.EDNS0_SUBNET); ok {
				got = subnet
			}
		}
	}
	if !c.subnet.IsValid() {
		if got != nil {
			return fmt.Errorf("the reply has the client subnet %v, and the query had none", got)
		}
		return nil
	}
	if want := c.option(); got == nil || got.Family != want.Family || got.SourceNetmask != want.SourceNetmask || !got.Address.Equal(want.Address) {
		return fmt.Errorf("the reply has the client subnet %v, the query had %v", got, want)
	}
	return nil
}

// tenViews are those that names have where nothing else is said, the narrowest first, and
// sixViews are fewer of them.
var (
	asView   = fmt.Sprintf("asn:%d", geodb.FirstASN)
	tenViews = []string{
		asView, "subdivision:US-CA", "country:US", "country:DE", "country:IN", "country:CN",
		"continent:NA", "continent:EU", "continent:AS", "default",
	}
	sixViews = []string{"country:US", "country:DE", "country:IN", "continent:NA", "continent:EU", "default"}
)

// clients says where clients are. It reads the databases itself.
type clients struct{ *geodb.Reader }

// view is the first of the views that an address is in. One that cannot be looked up is in
// "default", and the right answers to it will be called wrong.
func (c *clients) view(views []string, addr netip.Addr) int {
	place, err := c.Place(addr)
	if err != nil {
		place = geodb.Place{}
	}
	for i, view := range views {
		kind, value, _ := strings.Cut(view, ":")
		if view == "default" || value == map[string]string{
			"asn": fmt.Sprint(place.ASN), "subdivision": place.Subdivision, "country": place.Country, "continent": place.Continent,
		}[kind] {
			return i
		}
	}
	return -1
}

// atSource is a client that asks from an address of this host: any in 127.0.0.0/8 but for those
// that the interface has as broadcast addresses.
func atSource(r *rand.Rand) client {
	n := 1<<16 + r.IntN(254<<16)
	return client{source: netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})}
}

// inSubnet is a client behind a resolver at an address of this host: in any /24 of IPv4 or, one of
// five, in a /56 of IPv6 that is given out.
func inSubnet(r *rand.Rand) client {
	who := atSource(r)
	if r.IntN(5) > 0 {
		n := 11 + r.IntN(212) // neither unused nor private
		addr := netip.AddrFrom4([4]byte{byte(n), byte(r.IntN(256)), byte(r.IntN(256)), 0})
		who.subnet = netip.PrefixFrom(addr, 24)
		return who
	}
	n := r.IntN(100_000) // /32
	addr := netip.AddrFrom16([16]byte{byte(0x24 + 2*r.IntN(5)), byte(n >> 16), byte(n >> 8), byte(n), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
	who.subnet = netip.PrefixFrom(addr, 56)
	return who
}

// in is a client in a subnet that is in one of the views.
func (c *clients) in(views []string, view int) (client, error) {
	const enough = 1_000_000
	if views[view] == asView {
		networks, err := c.Networks(geodb.FirstASN)
		if err != nil || len(networks) == 0 {
			return client{}, fmt.Errorf("no network is in %s: %w", asView, err)
		}
		return client{subnet: networks[0]}, nil
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range enough {
		if found := inSubnet(r); c.view(views, found.addr()) == view {
			return found, nil
		}
	}
	return client{}, fmt.Errorf("none of %d networks is in the view %q", enough, views[view])
}
