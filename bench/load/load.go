// Package load makes DNS load that dnsperf does not: UDP on a fixed schedule, whose latencies
// count a server's pauses in full, and TCP with a given number of queries a connection.
//
// A generator is one loop on one thread that is bound to one processor, which nothing else
// should use meanwhile, and hardly allocates, so that no garbage has to be collected then.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"
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

// onProcessor runs f on a thread that is bound to a processor, and which ends with f.
func onProcessor(processor int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: nobody else gets a thread that is bound
		var set unix.CPUSet
		set.Set(processor)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			done <- fmt.Errorf("load: bind to processor %d: %w", processor, err)
			return
		}
		done <- f()
	}()
	return <-done
}
