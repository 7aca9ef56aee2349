package geotest

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oschwald/maxminddb-golang/v2"
)

func TestParse(t *testing.T) {
	data, err := Parse("GeoLite2-City", `
		# a comment
		2.0.0.0/8     country=US continent=NA subdivision=CA asn=64500 at=37.7,-122.4

		2001:db8::/32 country=GB registered=US continent=EU subdivision=ENG,WSM
	`)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	for a, want := range map[string]m{
		"2.9.9.9": {
			"country": m{"iso_code": "US"}, "continent": m{"code": "NA"}, "subdivisions": []any{m{"iso_code": "CA"}},
			"autonomous_system_number": uint64(64500), "location": m{"latitude": 37.7, "longitude": -122.4},
		},
		"2001:db8::1": {
			"country": m{"iso_code": "GB"}, "registered_country": m{"iso_code": "US"}, "continent": m{"code": "EU"},
			"subdivisions": []any{m{"iso_code": "ENG"}, m{"iso_code": "WSM"}},
		},
		"3.0.0.0": nil,
	} {
		var found m
		if err := reader.Lookup(netip.MustParseAddr(a)).Decode(&found); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, found); d != "" {
			t.Errorf("%s: %s", a, d)
		}
	}
	for _, line := range []string{"2.0.0.0", "2.0.0.0/8 us", "2.0.0.0/8 asn=x", "2.0.0.0/8 at=1", "2001::/32 country=US"} {
		if _, err := Parse("Test", line); err == nil {
			t.Errorf("%s: want an error", line)
		}
	}
}
