package masterfile

import (
	"testing"

	"github.com/miekg/dns"
)

// The case of letters tells records apart, but not in names.
func TestSameData(t *testing.T) {
	tests := []struct {
		rtype uint16
		a, b  string
		want  bool
	}{
		{dns.TypeMX, "\x00\x0a\x02mx\x00", "\x00\x0a\x02MX\x00", true},
		{dns.TypeMX, "\x00\x0a\x02mx\x00", "\x00\x0b\x02MX\x00", false},
		{dns.TypeMX, "\x00A\x02mx\x00", "\x00a\x02mx\x00", false},
		{dns.TypeTXT, "\x01a", "\x01A", false},
		{dns.TypeTXT, "\x01a", "\x01a", true},
		{dns.TypeCAA, "\x00\x05issueA\\b", "\x00\x05issueAb", false},
		{dns.TypeCAA, "\x00\x05issueA\\b", "\x00\x05issuea\\b", false},
		{dns.TypeHIP, "\x01\x02\x00\x01Aa\x01x\x00", "\x01\x02\x00\x01Aa\x01X\x00", true},
		{dns.TypeHIP, "\x01\x02\x00\x01Aa\x01x\x00", "\x01\x02\x00\x01aa\x01x\x00", false},
		{dns.TypeAMTRELAY, "\x0a\x83\x01a\x00", "\x0a\x83\x01A\x00", true},
		{dns.TypeAMTRELAY, "\x0a\x81aaaa", "\x0a\x81Aaaa", false},
		{typeA6, "\x79A\x01p\x00", "\x79a\x01p\x00", false},
		{typeA6, "\x80\x01p\x00", "\x80\x01P\x00", true},
		{65280, "a", "A", false},
	}
	for _, test := range tests {
		if got := SameData(test.rtype, []byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("%s %q and %q are the same: %v, want %v", TypeName(test.rtype), test.a, test.b, got, test.want)
		}
	}
}
