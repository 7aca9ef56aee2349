package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/geo/geotest"
)

// geographic has a name answered by country.
const geographic = `
[zones."gslb.example.com".names.geo.views]
"country:US" = ["nyc"]
default      = ["ams"]
`

// putDatabase puts a database in the place of the one before, or the first half of it.
func (s *stage) putDatabase(table string, whole bool) {
	s.T.Helper()
	data, err := geotest.Parse("GeoLite2-Country", table)
	must(s.T, err)
	if !whole {
		data = data[:len(data)/2]
	}
	path := filepath.Join(s.Dir, "Country.mmdb")
	must(s.T, os.WriteFile(path+".new", data, 0o644))
	must(s.T, os.Rename(path+".new", path))
}

// askFor returns the address that clients of a network are answered, and the scope.
func (s *stage) askFor(network string) (address string, scope int) {
	_, prefix, err := net.ParseCIDR(network)
	must(s.T, err)
	ones, _ := prefix.Mask.Size()
	m := new(dns.Msg).SetQuestion("geo.gslb.example.com.", dns.TypeA)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(ones), Address: prefix.IP})
	client := dns.Client{Timeout: 5 * time.Second}
	r, _, err := client.Exchange(m, s.program.server.Addrs()[0].String())
	must(s.T, err)
	if len(r.Answer) == 1 {
		address = r.Answer[0].(*dns.A).A.String()
	}
	scope = -1 // without the option
	if opt := r.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if subnet, ok := o.(*dns.EDNS0_SUBNET); ok {
				scope = int(subnet.SourceScope)
			}
		}
	}
	return address, scope
}

// A replaced database is taken as a reload is, and a damaged one refused.
func TestReplacedDatabase(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Settings, s.More = `geoip = ["Country.mmdb"]`, geographic
	s.putDatabase("192.0.2.0/24 country=US", true)
	s.begin()
	is := func(network, want string) func() bool {
		return func() bool { got, _ := s.askFor(network); return got == want }
	}
	s.Eventually("an answer by country", is("192.0.2.0/24", first))
	if got, scope := s.askFor("198.51.100.0/24"); got != second || scope == 0 || scope > 24 {
		t.Errorf("elsewhere %s with scope %d, want %s and up to 24", got, scope, second)
	}
	old := s.config.Current()

	s.putDatabase("198.51.100.0/24 country=US", true)
	s.Eventually("the answer by the new database", is("198.51.100.0/24", first))
	s.Eventually("another configuration", func() bool { return s.config.Current() != old })
	if s.config.Current().Hash == old.Hash {
		t.Error("the hash is the same with another database")
	}
	old = s.config.Current()

	s.putDatabase("192.0.2.0/24 country=US", false)
	s.Eventually("the refusal", s.Logged("level=ERROR", "server.geoip", "Country.mmdb is damaged"))
	s.Eventually("the metric", func() bool {
		_, metrics := s.get("/metrics")
		return strings.Contains(metrics, "gslb_config_last_reload_successful 0")
	})
	if got, _ := s.askFor("198.51.100.0/24"); got != first || s.config.Current() != old {
		t.Errorf("answered %s, want %s, that of the database before", got, first)
	}

	s.putDatabase("192.0.2.0/24 country=US", true)
	s.Eventually("the answer by the mended database", is("192.0.2.0/24", first))
}

// client_subnet takes effect with a reload.
func TestClientSubnetIsReloaded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Settings, s.More = `geoip = ["Country.mmdb"]`, geographic
	s.putDatabase("192.0.2.0/24 country=US", true)
	s.begin()
	if got, scope := s.askFor("192.0.2.0/24"); got != first || scope != 24 {
		t.Errorf("answered %s with scope %d, want %s and 24", got, scope, first)
	}
	s.Settings += "\nclient_subnet = false"
	s.Write(`"nyc", "ams"`)
	s.Eventually("an answer that is not by the option", func() bool {
		got, scope := s.askFor("192.0.2.0/24")
		return got == second && scope == -1
	})
}
