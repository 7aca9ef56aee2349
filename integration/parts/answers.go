package parts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
)

// answersFor makes a function that returns nil once the server answers for one of these
// zones, which are served from master files.
func answersFor(server netip.AddrPort, zones map[string]string) func(context.Context) error {
	for zone := range zones {
		return answersWith(server, zone, dns.TypeSOA)
	}
	return func(context.Context) error { return final(errors.New("it has no zone to answer for")) }
}

// answersWith makes a function that returns nil once the server has a record of that name
// and type.
func answersWith(server netip.AddrPort, name string, qtype uint16) func(context.Context) error {
	return func(ctx context.Context) error {
		reply, err := Ask(ctx, server, name, qtype)
		if err != nil {
			return err
		}
		if len(reply.Answer) == 0 {
			return fmt.Errorf("%v has no %s %s: %s", server, name, dns.TypeToString[qtype], dns.RcodeToString[reply.Rcode])
		}
		return nil
	}
}
