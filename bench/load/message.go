package load

import (
	"errors"
	"fmt"
	"net/netip"
)

const headerLen = 12 // bytes of a message's header, RFC 1035 section 4.1.1

// rcode is the response code in a header, without what EDNS may add to it.
func rcode(message []byte) byte { return message[3] & 0xf }

// check returns an error where there is nobody or nothing to ask.
func check(server netip.AddrPort, queries [][]byte) error {
	if !server.Addr().Is4() {
		return fmt.Errorf("load: the server %v has no IPv4 address", server)
	}
	if len(queries) == 0 {
		return errors.New("load: queries must be given")
	}
	for i, query := range queries {
		if len(query) < headerLen || len(query) > 1<<16-1 {
			return fmt.Errorf("load: query %d has %d bytes, which is no message", i+1, len(query))
		}
	}
	return nil
}
