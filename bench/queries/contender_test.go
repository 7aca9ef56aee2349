package queries

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	all := contenders(binaries{})
	for _, test := range []struct {
		names []string
		want  []string // nil: an error
	}{
		{nil, []string{"gslb", "gdnsd", "Knot", "NSD", "PowerDNS", "CoreDNS", "echo"}},
		{[]string{"nsd", "GSLB"}, []string{"gslb", "NSD"}},
		{[]string{"Knot"}, []string{"Knot"}},
		{[]string{"gslb", "bind"}, nil},
	} {
		chosen, err := choose(all, test.names)
		var got []string
		for _, c := range chosen {
			got = append(got, c.name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || (err == nil) != (test.want != nil) {
			t.Errorf("choose(%v): %v (-want +got):\n%s", test.names, err, diff)
		}
	}
}

func TestVersionText(t *testing.T) {
	for output, want := range map[string]string{
		"gslb v1.2-3-gabc go1.26 linux/amd64\n":                                               "v1.2-3-gabc",
		"gdnsd version 3.8.1\n":                                                               "3.8.1",
		"NSD version 4.6.1\nWritten by NLnet Labs.\n":                                         "4.6.1",
		"knotd (Knot DNS), version 3.2.6\n":                                                   "3.2.6",
		"Nov 23 16:52:12 PowerDNS Authoritative Server 4.7.3 (C) 2001-2022 PowerDNS.COM BV\n": "4.7.3",
		"CoreDNS-1.15.0\nlinux/amd64, go1.26.8, \n":                                           "1.15.0",
		"":                        "",
		"usage: something else\n": "",
	} {
		if got := versionText(output); got != want {
			t.Errorf("version in %q: %q, want %q", output, got, want)
		}
	}
}
