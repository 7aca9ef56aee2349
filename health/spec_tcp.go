package health

import (
	"cmp"
	"fmt"
	"regexp"
)

// TCP is a connection that must open and, where asked, an exchange on it.
type TCP struct {
	Address string // host:port, IPv6 in brackets
	Link
	Send    string         // written once connected; empty: nothing
	Pattern *regexp.Regexp // what is read must match; nil: nothing is read
	Steps   []TCPStep      `json:",omitempty"` // what follows
}

// TCPStep is a part of an exchange: what is written and then what is read, or one of the two.
type TCPStep struct {
	Send string `json:",omitempty"`
	// Pattern must match what was read since something was last written; nil: nothing is read.
	Pattern *regexp.Regexp `json:",omitempty"`
}

// Kind returns "tcp".
func (*TCP) Kind() string { return "tcp" }

// Files are those of TLS.
func (t *TCP) Files() []string { return t.TLS.Files() }

// Where is the target or else the address.
func (t *TCP) Where() string { return cmp.Or(t.Target, t.Address) }

// Wants says what is to be read.
func (t *TCP) Wants() []string {
	var list []string
	for _, step := range append([]TCPStep{{Pattern: t.Pattern}}, t.Steps...) {
		if step.Pattern != nil {
			list = append(list, fmt.Sprintf("wants to read something that matches %q", step.Pattern))
		}
	}
	if list == nil {
		list = []string{"wants to connect"}
	}
	return append(list, t.TLS.wants()...)
}
