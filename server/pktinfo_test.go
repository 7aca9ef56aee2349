package server

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/ipv6"
)

// TestFromWhere covers what loopback cannot: the interface matters for link-local addresses
// alone, and a group is nowhere to send from. In IPv6 a received control message has the
// layout of one to be sent, with the destination for the source.
func TestFromWhere(t *testing.T) {
	six := func(ip string, ifIndex int) []byte {
		return (&ipv6.ControlMessage{Src: net.ParseIP(ip), IfIndex: ifIndex}).Marshal()
	}
	tests := []struct {
		name     string
		in, want []byte
	}{
		{"no control message", nil, nil},
		{"IPv6", six("2001:db8::1", 3), six("2001:db8::1", 0)},
		{"link-local", six("fe80::1", 3), six("fe80::1", 3)},
		{"multicast", six("ff02::1", 3), nil},
		{"of something else", make([]byte, 8), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, fromWhere(test.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
