package server

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dnstap/golang-dnstap"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/server/dnstest"
	"gslb/server/tap"
)

// TestQueryLog has queries of all kinds come over each transport, at addresses of both families and at
// wildcards. The log has each with its reply and the addresses of both ends, and nothing else.
func TestQueryLog(t *testing.T) {
	collector := dnstest.NewCollector(t, "unix", filepath.Join(t.TempDir(), "tap.sock"))
	log := tap.New(tap.Options{})
	log.Use(tap.Settings{To: tap.Destination{Network: "unix", Address: collector.Address}, Share: 1, Queries: true, Responses: true})
	ctx, cancel := context.WithCancel(t.Context())
	logged := make(chan error, 1)
	go func() { logged <- log.Run(ctx) }()
	defer func() {
		cancel()
		<-logged
	}()
	s := startServer(t, func(o *Options) {
		o.Tap = log
		o.Listen = []netip.AddrPort{dnstest.Loopback, netip.MustParseAddrPort("[::]:0"), netip.MustParseAddrPort("0.0.0.0:0")}
	})
	var want []string
	for i, asked := range []string{"127.0.0.1", "::1", "127.0.0.2"} {
		at := netip.AddrPortFrom(netip.MustParseAddr(asked), s.Addrs()[i].Port())
		for _, network := range []string{"udp", "tcp"} {
			conn := dnstest.Dial(t, network, at)
			if _, err := conn.Write(dnstest.Pack(t, new(dns.Msg).SetReply(dnstest.Ask(1, "no.query.", dns.TypeA)))); err != nil {
				t.Fatal(err)
			}
			if network == "tcp" { // which ends the connection
				conn = dnstest.Dial(t, network, at)
			}
			for _, q := range []struct {
				name, zone string
				qtype      uint16
			}{
				{"www.example.org.", "example.org.", dns.TypeA},
				{"nope.example.org.", "example.org.", dns.TypeTXT},
				{"www.example.net.", "", dns.TypeAAAA},
			} {
				query := dnstest.Ask(uint16(len(want)+1), q.name, q.qtype)
				reply := dnstest.Exchange(t, conn, query)
				ends := fmt.Sprintf("%s %v %v", network, conn.LocalAddr(), conn.RemoteAddr())
				want = append(want,
					fmt.Sprintf("AUTH_QUERY %s . %s", ends, short(query)),
					fmt.Sprintf("AUTH_RESPONSE %s %s %s", ends, dns.Fqdn(q.zone), short(reply)))
			}
		}
	}
	messages := collector.Wait(t, "every query and reply", func(m []*dnstap.Dnstap, _ int) bool { return len(m) >= len(want) })
	var got []string
	for _, d := range messages {
		m := d.Message
		var msg dns.Msg
		if err := msg.Unpack(slices.Concat(m.QueryMessage, m.ResponseMessage)); err != nil {
			t.Fatal(err)
		}
		end := func(ip []byte, port uint32) string {
			addr, _ := netip.AddrFromSlice(ip)
			return netip.AddrPortFrom(addr, uint16(port)).String()
		}
		zone, _, err := dns.UnpackDomainName(append(m.QueryZone, 0), 0)
		if err != nil {
			t.Fatal(err)
		}
		network := map[dnstap.SocketProtocol]string{dnstap.SocketProtocol_UDP: "udp", dnstap.SocketProtocol_TCP: "tcp"}[m.GetSocketProtocol()]
		got = append(got, fmt.Sprintf("%v %s %s %s %s %s", m.Type, network, end(m.QueryAddress, m.GetQueryPort()),
			end(m.ResponseAddress, m.GetResponsePort()), zone, short(&msg)))
		if asked, answered := m.GetQueryTimeSec(), m.GetResponseTimeSec(); m.GetType() == dnstap.Message_AUTH_RESPONSE && (answered < asked || answered > asked+20) {
			t.Errorf("a query of %d was answered at %d", asked, answered)
		}
	}
	// Workers report each for itself.
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func short(m *dns.Msg) string {
	return fmt.Sprintf("%d %s %s", m.Id, m.Question[0].Name, dnstest.Summary(m))
}
