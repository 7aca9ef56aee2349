package config

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"gslb/zones/problem"
)

// FuzzParse holds Parse to its word: it returns Errors, each in one line, or a valid Set.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"accept", "reject"} {
		for _, path := range configurations(f, folder) {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Parse(data, "testdata/accept/zones.toml", LoadOptions{Now: noon})
		if err == nil {
			checkSet(t, set)
			return
		}
		var errs *problem.Errors
		if set != nil || !errors.As(err, &errs) || errs.Total() == 0 {
			t.Fatalf("got %v and %v, want Errors alone", set, err)
		}
		for _, p := range errs.Problems {
			if p.Path == "" && p.Line == 0 || p.Message == "" {
				t.Errorf("got a problem without a place or a message: %q", p)
			}
		}
	})
}

// FuzzViews does the same for how a name is steered: a view with its tiers, and further keys.
func FuzzViews(f *testing.F) {
	for _, c := range [][3]string{
		{"country:US", `["nyc", "ams"]`, ""},
		{"subdivision:US-CA", `[["nyc", "ams"], "aws"]`, `policy = "weighted"` + "\n" + `weights = { nyc = 0, aws = 7 }`},
		{"192.0.2.0/24", `["nyc", ["ams"]]`, `policy = "nearest"` + "\n" + `fence = ["192.0.2.0/24"]`},
		{"2001:db8::/32", `["aws"]`, `policy = "all"` + "\n" + `when_all_down = "all"`},
		{"::ffff:192.0.2.0/120", `[[]]`, `panic_below = "50%"`},
		{"asn:64500", `[["nyc", "nyc"]]`, `policy = "sticky"` + "\n" + `max_answers = 3`},
		{"continent:NA", `[["nyc"], [["ams"]]]`, `order = "fixed"`},
		{"default", `"nyc"`, `pools = ["nyc"]`},
	} {
		f.Add(c[0], c[1], c[2])
	}
	var kept Databases
	f.Fuzz(func(t *testing.T, key, tiers, more string) {
		set, err := Parse([]byte(`server = { listen = ["127.0.0.1:0"], geoip = ["db/City.mmdb", "db/ASN.mmdb"] }
pools.nyc = { members = ["203.0.113.10"], location = [40.7, -74] }
pools.ams = { members = ["198.51.100.10", "2001:db8::10"], location = [52.4, 4.9], weight = 0 }
pools.aws = { cname = "lb.example.net", location = [0, 0] }
[zones."example.com"]
nameservers = { "ns.example.net." = [] }
[zones."example.com".names]
all = { pools = ["nyc", "ams", "aws"] }
[zones."example.com".names.app]
views = { `+strconv.Quote(key)+" = "+tiers+`, "country:GB" = ["ams"], "10.0.0.0/8" = ["nyc"] }
`+more+"\n"), "testdata/accept/zones.toml", LoadOptions{Now: noon, Databases: &kept})
		if err == nil {
			checkSet(t, set)
			return
		}
		var errs *problem.Errors
		if set != nil || !errors.As(err, &errs) || errs.Total() == 0 {
			t.Fatalf("got %v and %v, want Errors alone", set, err)
		}
	})
}

// FuzzMasterFile does the same for the records of a zone.
func FuzzMasterFile(f *testing.F) {
	for _, path := range []string{"testdata/accept/db/gslb.db", "testdata/accept/db/sub.db"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("@ SVCB 1 . alpn=h2 ipv4hint=192.0.2.1 key65000=x\nx LOC 51 56 0.123 N 5 54 0 E 4.00m\ny NAPTR 1 1 \"U\" \"\" \"!a!b!\" .\n")
	f.Add("a TXT \"\\000\\\"\" ( \nb CAA 0 issue \"x\"\n) ; \"\n$ORIGIN \\..\n@ TYPE1 \\# 4 00000000")
	f.Add("$GENERATE 1-9/4 h${0,3,x} A 192.0.2.$\nd DNAME x\na.d A 192.0.2.1\nns NS a\n* CNAME @\n@ SOA . . 1 2 3 4 5\n")
	f.Fuzz(func(t *testing.T, text string) {
		fuzzFile(t, text)
		l := newLoader("zones.toml", newReader("testdata/accept/zones.toml"), LoadOptions{Now: noon})
		l.limits.Generated = 500
		z := l.newZone(problem.Top("zones").Key("example.com"), "example.com")
		raw := &rawZone{Records: &text, Nameservers: map[string][]string{"ns1": {"192.0.2.53"}}}
		raw.defaults()
		l.zone(z, raw)
		if l.Len() == 0 {
			checkZone(t, l.set, z.Zone)
		}
	})
}

// fuzzFile reads a text as the file of a zone, of which nothing is repeated if nothing in it is a
// record.
func fuzzFile(t *testing.T, text string) {
	l := newLoader("zones.toml", newReader("testdata/accept/zones.toml"), LoadOptions{Now: noon})
	l.limits.Generated = 500
	z := l.newZone(problem.Top("zones").Key("example.com"), "example.com")
	z.facts.FromFile = true
	l.records.Reset(z.apex)
	l.masterText(z, z.at.Key("file"), "db", []byte(text))
	errs := l.Errors("zones.toml", func(spots []problem.Spot) []problem.Position { return make([]problem.Position, len(spots)) })
	if errs == nil || strings.Contains(strings.ToUpper(text), "$INCLUDE") {
		return
	}
	l.records.Settle()
	if d, err := l.records.Pack(); err != nil || d.Len() > 0 || l.warnings.Len() > 0 {
		return
	}
	for _, p := range errs.Problems {
		if p.Message != noMasterFile {
			t.Errorf("of %q, in which nothing is a record, it is said: %v", text, p)
		}
	}
}
