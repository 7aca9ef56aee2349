package config

import (
	"slices"
	"strings"
	"testing"

	"gslb/health"
)

// International names become what browsers make of them, wherever a host is named; what else
// stands around a host stays as it is.
func TestInternationalNames(t *testing.T) {
	tests := []struct {
		name     string
		read     func(string) (string, error)
		in, want string // empty: it is refused
	}{
		{"URL", readURL, "http://bücher.test/ü?ö=%C3%A4", "http://xn--bcher-kva.test/ü?ö=%C3%A4"},
		{"URL with a port", readURL, "https://BÜCHER.test:8443", "https://xn--bcher-kva.test:8443"},
		{"URL in percent signs", readURL, "http://b%C3%BCcher.test/", "http://xn--bcher-kva.test/"},
		{"URL with a user", readURL, "http://u:p@bücher.test?q", "http://u:p@xn--bcher-kva.test?q"},
		{"URL that is ASCII", readURL, "http://Example.com:80/%7e?a=ü", "http://Example.com:80/%7e?a=ü"},
		{"URL of an address", readURL, "http://[2001:db8::1]:80/ü", "http://[2001:db8::1]:80/ü"},
		{"URL with no such name", readURL, "http://a\u0378b.test/", ""},
		{"not transitional", readURL, "http://straße.test/", "http://xn--strae-oqa.test/"},
		{"with an ideographic full stop", readURL, "http://例え。テスト/", "http://xn--r8jz45g.xn--zckzah/"},
		{"with an underscore", readURL, "http://_x.bücher.test/", "http://_x.xn--bcher-kva.test/"},
		{"endpoint", readEndpoint, "http://bücher.test:8000", "http://xn--bcher-kva.test:8000"},
		{"host", readHost, "bücher.test", "xn--bcher-kva.test"},
		{"host and port", readHost, "bücher.test:8080", "xn--bcher-kva.test:8080"},
		{"IPv6 host", readHost, "2001:db8::1", "[2001:db8::1]"},
		{"IPv6 host and port", readHost, "[2001:db8::1]:80", "[2001:db8::1]:80"},
		{"IPv4 host", readHost, "192.0.2.1", "192.0.2.1"},
		{"host with no such name", readHost, "a\u0378b.test", ""},
		{"server name", readServerName, "bücher.test", "xn--bcher-kva.test"},
		{"server name that is an address", readServerName, "2001:db8::1", "2001:db8::1"},
		{"TCP", readHostPort, "bücher.test:5432", "xn--bcher-kva.test:5432"},
		{"TCP to an address", readHostPort, "[2001:db8::1]:5432", "[2001:db8::1]:5432"},
		{"domain", domainName, "bücher.test", "xn--bcher-kva.test."},
		{"a label too long in its xn-- form", domainName, strings.Repeat("ü", 60) + ".test", ""},
		{"steered name", relative, "bücher", "xn--bcher-kva.example.com."},
		{"wildcard", relative, "*.bücher", "*.xn--bcher-kva.example.com."},
		{"whole name", relative, "bücher.test.", "xn--bcher-kva.test."},
		{"zone", zoneNamed, "bücher.test", "xn--bcher-kva.test."},
		{"zone with escapes", zoneNamed, `b\252cher.test`, `b\252cher.test.`},
	}
	for _, test := range tests {
		got, err := test.read(test.in)
		if test.want == "" && err == nil || test.want != "" && (err != nil || got != test.want) {
			t.Errorf("%s: %q becomes %q (%v), want %q", test.name, test.in, got, err, test.want)
		}
	}
}

func relative(s string) (string, error) { return qualify(s, "example.com.", true) }

func zoneNamed(s string) (string, error) {
	name, _, err := zoneName(s)
	return name, err
}

// The address of a member stands in brackets wherever a port may follow it, and not where it is
// a name to verify a certificate by.
func TestHostOfMember(t *testing.T) {
	for host, want := range map[string][2]string{
		"{address}":      {"203.0.113.10", "[2001:db8::10]"},
		"{address}:8080": {"203.0.113.10:8080", "[2001:db8::10]:8080"},
	} {
		f, err := filled(t, `type = "http", url = "https://{address}/", server_name = "{address}", host = "`+host+`"`)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range f {
			if got.Host != want[i] || strings.Contains(got.TLS.ServerName, "[") {
				t.Errorf("host %q becomes %q, with server name %q; want %q", host, got.Host, got.TLS.ServerName, want[i])
			}
		}
	}
	if _, err := filled(t, `type = "http", url = "http://{address}/", host = "[{address}]"`); err == nil {
		t.Error("brackets around {address} were taken, which IPv4 has none of")
	}
}

// A status may be written as the number that it is.
func TestStatusAsNumber(t *testing.T) {
	f, err := filled(t, `type = "http", url = "http://{address}/", expect = { status = [200, "204", "300-399"] }`)
	want := []health.StatusRange{{From: 200, To: 200}, {From: 204, To: 204}, {From: 300, To: 399}}
	if err != nil || !slices.Equal(f[0].Status, want) {
		t.Errorf("got %v (%v), want %v", f, err, want)
	}
	for _, bad := range []string{"600", "20.0", "[200]", "true"} {
		if _, err := filled(t, `type = "http", url = "http://{address}/", expect = { status = [200, `+bad+`] }`); err == nil || !strings.Contains(err.Error(), "status[1]") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// What is unknown is named, and so is what was probably meant.
func TestDidYouMean(t *testing.T) {
	const config = `server = { listen = ["127.0.0.1:0"] }
checks.web = { type = "http", url = "http://{adress}:{prot}/" }
pools.nyc = { members = ["203.0.113.10"], checks = ["wep"], vars = { port = "1" } }
pools.ams = { members = ["203.0.113.11"], checks = ["web"], vars = { port = "1" } }
[zones."example.com"]
nameservers = { "ns.example.net." = [] }
names.a = { pools = ["nyd"], policy = "failver", when_all_down = "asume_up", failback = "autom" }
names.b = { pools = ["nyc", "ams"], when_all_down = "fallback", fallback = "asm" }
nams = {}
`
	_, err := Parse([]byte(config), "zones.toml", LoadOptions{Now: noon})
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, word := range []string{"address", "port", "web", "nyc", "failover", "assume_up", "auto", "ams", "names"} {
		if want := `did you mean "` + word + `"?`; !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"port", "prot", 1}, {"ams", "asm", 1}, {"web", "wed", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := editDistance(test.a, test.b); got != test.want || editDistance(test.b, test.a) != got {
			t.Errorf("%q and %q are %d apart, want %d", test.a, test.b, got, test.want)
		}
	}
}

// What is probably not meant is taken, and said.
func TestRelativeNameserverIsWarnedOf(t *testing.T) {
	for key, warnings := range map[string]int{"ns1": 0, "ns1.example.net": 1, "ns1.gslb.example.com.": 0} {
		set := mustParse(t, `server = { listen = ["127.0.0.1:0"] }
[zones."gslb.example.com"]
nameservers = { "`+key+`" = ["192.0.2.53"] }
`, LoadOptions{})
		if len(set.Warnings) != warnings {
			t.Errorf("%s: %v, want %d warnings", key, set.Warnings, warnings)
		}
		for _, w := range set.Warnings {
			if !strings.Contains(w.Error(), "zones.toml:3: ") || !strings.Contains(w.Error(), "ns1.example.net.gslb.example.com.") {
				t.Errorf("%s: %v", key, w)
			}
		}
	}
}
