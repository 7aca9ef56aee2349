package gdnsd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var gdnsdLimits = ttlLimits{fallback: defaultTTL, low: defaultMinTTL, high: defaultMaxTTL, negative: defaultNegativeTTL}

// readZone reads the zone example.com, and returns its records and what is wrong, a line each.
func readZone(t testing.TB, files string) string {
	t.Helper()
	dir := unpack(t, txtar.Parse([]byte(files)))
	limits := gdnsdLimits
	var b strings.Builder
	zones := (&source{dir: dir}).zones(&limits, func(at place, format string, args ...any) {
		fmt.Fprintf(&b, "! %s: %s\n", at, fmt.Sprintf(format, args...))
	})
	for _, z := range zones {
		for _, r := range z.records {
			if r.word != "SOA" {
				fmt.Fprintf(&b, "%s %d %s %s\n", z.relative(r.owner), r.ttl, r.word, r.text)
			}
		}
		for _, d := range z.dynamic {
			fmt.Fprintf(&b, "%s %d/%d %s\n", z.relative(d.owner), d.ttl, d.min, &d)
		}
		for _, n := range z.complaints {
			fmt.Fprintf(&b, "! %s\n", n)
		}
	}
	return b.String()
}

const soaLine = "@ SOA ns1 dns 1 7200 1800 259200 900\n"

func TestZoneFiles(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"www A 192.0.2.1\n", "www 86400 A 192.0.2.1\n"},
		{"www 300 A 192.0.2.1\nwww IN 300 A 192.0.2.2\n\t5m IN A 192.0.2.3\n", "www 300 A 192.0.2.1\nwww 300 A 192.0.2.2\nwww 300 A 192.0.2.3\n"},
		{"$TTL 1h\nwww A 192.0.2.1\n$ttl 1\nwww2 A 192.0.2.1\n", "www 3600 A 192.0.2.1\nwww2 5 A 192.0.2.1\n"},
		{"$ORIGIN sub\na A 192.0.2.1\nb.@Z A 192.0.2.2\nc.@F A 192.0.2.3\n@Z A 192.0.2.4\n@ A 192.0.2.5\n",
			"a.sub 86400 A 192.0.2.1\nb 86400 A 192.0.2.2\nc 86400 A 192.0.2.3\n@ 86400 A 192.0.2.4\nsub 86400 A 192.0.2.5\n"},
		{"www.example.com. MX 10 mail\n@ MX 20 mail.example.net.\n", "www 86400 MX 10 mail\n@ 86400 MX 20 mail.example.net.\n"},
		{"\"www\" CNAME \"app\"\n", "www 86400 CNAME app\n"},
		{"_http._tcp SRV 5 500 80 www\n@ CAA 0 issue \"ca.example.net\"\n@ NAPTR 1 2 s sip \"\" @\n",
			"_http._tcp 86400 SRV 5 500 80 www\n@ 86400 CAA 0 issue \"ca.example.net\"\n@ 86400 NAPTR 1 2 \"s\" \"sip\" \"\" @\n"},
		{"x TYPE31337 \\# 4 0102 0304\n", "x 86400 TYPE31337 \\# 4 0102 0304\n"},
		{"t TXT a \"b c\" \"d\\\"e\\\\\" \"\\233\"\n", "t 86400 TXT \"a\" \"b c\" \"d\\\"e\\\\\" \"\\233\"\n"},
		{"t TXT ( \"a\" ; comment ( here\n \"b\" )\n", "t 86400 TXT \"a\" \"b\"\n"},
		{"t TXT \"two\nlines\"\n", "t 86400 TXT \"two\\010lines\"\n"},
		{"t TXT " + strings.Repeat("a", 300) + "\n", "t 86400 TXT \"" + strings.Repeat("a", 255) + "\" \"" + strings.Repeat("a", 45) + "\"\n"},
		{"_acme-challenge.www 300 TXT a\n", "_acme-challenge.www 0 TXT \"a\"\n"},
		{"www DYNA multifo!www\n", "www 86400/43200 DYNA multifo!www\n"},
		{"www 300 DYNA multifo!www\n", "www 300/150 DYNA multifo!www\n"},
		{"www 300/30 IN DYNC metafo!www/dc1\n", "www 300/30 DYNC metafo!www/dc1\n"},
		{"www 5m/1m DYNA null\n", "www 300/60 DYNA null\n"},
		{"www 10/1 DYNA a!b\nwww2 10/60 DYNA a!b\nwww3 2 DYNA a!b\nwww4 300/0 DYNA a!b\n",
			"www 10/5 DYNA a!b\nwww2 10/10 DYNA a!b\nwww3 5/5 DYNA a!b\nwww4 300/150 DYNA a!b\n"},
		{"*.w DYNA a!b\n", "*.w 86400/43200 DYNA a!b\n"},

		{"www A 192.0.2\n", `! zones/example.com:2: the line is not carried over: found "www 86400 IN A 192.0.2"; expected a record: the address: "192.0.2" is no IPv4 address`},
		{"www A\n", "! zones/example.com:2: the line is not carried over: A: found 0 fields; expected 1"},
		{"www HINFO a b\n", "! zones/example.com:2: the line is not carried over: HINFO: gdnsd has no such type"},
		{"www\n", "! zones/example.com:2: the line is not carried over: found no type; expected one such as A"},
		{"ns.example.net. A 192.0.2.1\n", "! zones/example.com:2: the line is not carried over: ns.example.net. lies outside the zone; its own servers know its addresses"},
		{"ns.example.net. DYNA a!b\n", "! zones/example.com:2: the line is not carried over: ns.example.net. lies outside the zone"},
		{"$ORIGIN example.net.\nwww A 192.0.2.1\n", "! zones/example.com:2: the line is not carried over: the origin example.net. lies outside the zone"},
		{"$GENERATE 1-2 a A 192.0.2.$\n", `! zones/example.com:2: the line is not carried over: found "$GENERATE"; expected $TTL, $ORIGIN or $INCLUDE and what belongs to it`},
		{"a.@X A 192.0.2.1\n", `! zones/example.com:2: the line is not carried over: found "a.@X"; expected @Z or @F`},
		{"www 1x A 192.0.2.1\n", `! zones/example.com:2: the line is not carried over: found "1x"; expected seconds such as 300, or a period such as 5m`},
		{"www 99999999999w A 192.0.2.1\n", `! zones/example.com:2: the line is not carried over: found "99999999999w"; expected seconds such as 300, or a period such as 5m`},
		{"www 300/x DYNA a!b\n", `! zones/example.com:2: the line is not carried over: found "300/x"; expected a TTL such as 300 or 300/30`},
		{"t TXT \"a\n", "! zones/example.com:2: the line is not carried over: a quote is opened in line 2 and never closed"},
		{"t TXT (\"a\"\n", "! zones/example.com:2: the line is not carried over: a parenthesis is opened and never closed"},
		{"t TXT a)\n", "! zones/example.com:2: the line is not carried over: a parenthesis is closed twice"},
		{"t TXT \\25\n", "after the backslash"},
		{soaLine, "! zones/example.com:2: the line is not carried over: the zone has two SOA records"},
	} {
		got := readZone(t, "-- zones/example.com --\n"+soaLine+test.text)
		if strings.HasPrefix(test.want, "!") || strings.HasPrefix(test.want, "after") {
			if !strings.Contains(got, test.want) {
				t.Errorf("%s%s\nwant %s", test.text, got, test.want)
			}
		} else if got != test.want {
			t.Errorf("%s%s\nwant %s", test.text, got, test.want)
		}
	}
}

func TestZoneFolders(t *testing.T) {
	for _, test := range []struct{ files, want string }{
		{"-- zones/0@27.2.0.192.in-addr.arpa --\n@ SOA a b 1 2 3 4 5\n@ NS ns.example.net.\n", "@ 86400 NS ns.example.net.\n"},
		{"-- zones/.hidden --\nnothing\n-- zones/sub/example.net --\nnothing\n", ""},
		{"-- zones/example.com --\nwww A 192.0.2.1\n", "! zones/example.com:1: the zone is not carried over: it has no SOA record\n"},
		{"-- zones/ROOT_ZONE --\n" + soaLine, "! zones/ROOT_ZONE:1: the root zone is not carried over: gslb serves zones that are delegated\n"},
		{"-- zones/a..b --\n" + soaLine, "! zones/a..b:1: the zone is not carried over: its file is not named after a domain: \"a..b.\" is no domain name: a label is empty\n"},
		{"-- zones/Example.com --\n" + soaLine + "-- zones/example.com --\n" + soaLine, "! zones/example.com:1: the file is not carried over: zones/Example.com is the same zone\n"},
		{"-- config --\n", "! zones:0: no zones are carried over: "},
		{"-- zones/example.com --\n" + soaLine + "$ORIGIN o\n$TTL 60\n$INCLUDE inc/a foo\nb A 192.0.2.2\n-- zones/inc/a --\na A 192.0.2.1\n$ORIGIN x\n$TTL 70\nc.@F A 192.0.2.3\nd A 192.0.2.4\n$INCLUDE b\n-- zones/inc/b --\n A 192.0.2.5\n",
			"a.foo.o 60 A 192.0.2.1\nc.foo.o 70 A 192.0.2.3\nd.x.foo.o 70 A 192.0.2.4\n@ 70 A 192.0.2.5\nb.o 60 A 192.0.2.2\n"},
		{"-- zones/example.com --\n" + soaLine + "$INCLUDE example.com\n", "there are more than 16 files within each other"},
		{"-- zones/example.com --\n" + soaLine + "$INCLUDE absent\n", "no such file or directory"},
	} {
		if got := readZone(t, test.files); !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s\n%s\nwant %s", test.files, got, test.want)
		}
	}
}

// The TTL of the SOA record and the negative one are one, within the limits.
func TestStartOfAuthority(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"@ SOA ns1 dns 1 2H 30M 3D 900\n", "900 ns1 dns 1 7200 1800 259200 900"},
		{"@ 300 SOA ns1 dns 1 2 3 4 900\n", "300 ns1 dns 1 2 3 4 300"},
		{"@ SOA ns1.example.net. dns.@Z 1 2 3 4 1W\n", "10800 ns1.example.net. dns 1 2 3 4 10800"},
		{"@ 1 SOA @ @ 1 2 3 4 1\n", "5 @ @ 1 2 3 4 5"},
	} {
		dir := unpack(t, txtar.Parse([]byte("-- zones/example.com --\n"+test.text)))
		limits := gdnsdLimits
		zones := (&source{dir: dir}).zones(&limits, func(at place, format string, args ...any) { t.Errorf("%s: "+format, append([]any{at}, args...)...) })
		if len(zones) != 1 || len(zones[0].records) != 1 {
			t.Fatalf("%s: %d zones", test.text, len(zones))
		}
		r := zones[0].records[0]
		if got := fmt.Sprintf("%d %s", r.ttl, r.text); got != test.want {
			t.Errorf("%s%s, want %s", test.text, got, test.want)
		}
	}
}

// Whatever a zone file holds, reading it ends, without a panic.
func FuzzZoneFile(f *testing.F) {
	for _, text := range []string{
		"www 300/30 DYNA multifo!www\n", "$INCLUDE example.com\n", "a.@F MX 10 ( b ; c\n )\n", "t TXT \"a\nb\\\"\"\\\n", "x TYPE1 \\# 1 00\n", "@Z NS \\046\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "zones"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "zones", "example.com"), []byte(soaLine+text), 0o600); err != nil {
			t.Fatal(err)
		}
		limits := gdnsdLimits
		(&source{dir: dir}).zones(&limits, func(place, string, ...any) {})
	})
}
