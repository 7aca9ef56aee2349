package geo

import (
	"slices"
	"strings"
	"testing"
)

func TestParseView(t *testing.T) {
	for _, s := range []string{
		"continent:NA", "continent:AF", "country:US", "country:NA", "subdivision:US-CA", "subdivision:GB-WSM",
		"subdivision:AT-9", "asn:1", "asn:4294967295", "192.0.2.0/24", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0",
		"2001:db8::1/128", "default",
	} {
		v, err := ParseView(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		} else if v.String() != s {
			t.Errorf("%s is written %s", s, v)
		}
	}
}

func TestParseViewRefuses(t *testing.T) {
	for _, c := range []struct{ found, expected string }{
		{"NA", "expected continent:NA or country:NA"},
		{"eu", "expected continent:EU or country:EU"},
		{"US", "expected country:US"},
		{"us", "expected country:US"},
		{"US-CA", "expected subdivision:US-CA"},
		{"64500", "expected asn:64500"},
		{"AS64500", "expected asn:64500"},
		{"country:us", "expected country:US"},
		{"Country:US", "expected country:US"},
		{"country: US", "expected country:US"},
		{"country:USA", "expected the two letters of a country"},
		{"country:", "expected the two letters of a country"},
		{"country:U1", "expected the two letters of a country"},
		{"continent:na", "expected continent:NA"},
		{"continent:XX", "expected one of the continents AF AN AS EU NA OC SA"},
		{"continent:F ", "expected one of the continents"},
		{"continent:", "expected one of the continents"},
		{"subdivision:CA", "expected a country and a subdivision"},
		{"subdivision:us-ca", "expected subdivision:US-CA"},
		{"subdivision:US-CALI", "expected a country and a subdivision"},
		{"subdivision:US-", "expected a country and a subdivision"},
		{"asn:AS64500", "expected asn:64500"},
		{"asn:064500", "expected asn:64500"},
		{"asn:0", "expected the number of an autonomous system"},
		{"asn:4294967296", "expected the number of an autonomous system"},
		{"asn:-1", "expected the number of an autonomous system"},
		{"192.0.2.1/24", "expected 192.0.2.0/24"},
		{"192.0.2.1", "expected 192.0.2.1/32, or a shorter prefix"},
		{"2001:db8::1", "expected 2001:db8::1/128, or a shorter prefix"},
		{"fe80::1%eth0", "expected fe80::1/128, or a shorter prefix"},
		{"2001:DB8::/32", "expected 2001:db8::/32"},
		{"2001:db8::1/32", "expected 2001:db8::/32"},
		{"::ffff:192.0.2.0/120", "expected 192.0.2.0/24"},
		{"192.0.2.0/33", "expected continent:NA, country:US"},
		{"192.0.2.0/255.255.255.0", "expected continent:NA, country:US"},
		{"192.0.2/24", "expected continent:NA, country:US"},
		{"Default", "expected default"},
		{"default:", "expected default"},
		{" default", "expected default"},
		{"", "expected continent:NA, country:US"},
		{"none", "expected continent:NA, country:US"},
		{"region:eu", "expected continent:NA, country:US"},
	} {
		v, err := ParseView(c.found)
		if err == nil {
			t.Errorf("%q is %s; want an error", c.found, v)
		} else if !strings.Contains(err.Error(), c.expected) {
			t.Errorf("%q: %v; want: %s", c.found, err, c.expected)
		}
	}
}

func TestCompareViews(t *testing.T) {
	narrowestFirst := views(t, "192.0.2.1/32", "192.0.2.0/24", "2001:d00::/24", "0.0.0.0/0", "::/0", "asn:9", "asn:10",
		"subdivision:US-CA", "country:CA", "country:US", "continent:NA", "default")
	mixed := slices.Clone(narrowestFirst)
	slices.Reverse(mixed)
	slices.SortFunc(mixed, View.Compare)
	if !slices.Equal(mixed, narrowestFirst) {
		t.Errorf("%v; want %v", mixed, narrowestFirst)
	}
}

func FuzzParseView(f *testing.F) {
	for _, s := range []string{"country:US", "NA", "192.0.2.0/24", "::ffff:0:0/95", "asn:1", "default"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseView(s)
		if err != nil {
			// What it says to write instead, if that is a view, is right.
			_, advice, _ := strings.Cut(err.Error(), "; expected ")
			if word, _, more := strings.Cut(advice, " "); !more {
				if _, err := ParseView(word); err != nil {
					t.Errorf("%q: the advice is %q: %v", s, advice, err)
				}
			}
			return
		}
		if v.String() != s {
			t.Errorf("%q is written %q", s, v)
		}
	})
}
