package health

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// DNS is a question to a server.
type DNS struct {
	Server string // host:port; empty: the link's target
	Link
	Name        string // fully qualified
	Type        string // "A"
	TCP         bool   // at once; otherwise over UDP, and over TCP for an answer that is truncated
	NoRecursion bool   // the question has not the flag RD

	Rcodes  []string       // any of them passes: "NOERROR"
	Pattern *regexp.Regexp // the data of a record in the answer must match; nil: not looked at
}

// Kind returns "dns".
func (*DNS) Kind() string { return "dns" }

// Files are those of TLS.
func (d *DNS) Files() []string { return d.TLS.Files() }

// Where is the server.
func (d *DNS) Where() string { return cmp.Or(d.Server, d.Target) }

// Wants says which answer is wanted.
func (d *DNS) Wants() []string {
	line := fmt.Sprintf("wants %s for %s %s", strings.Join(d.Rcodes, " or "), d.Name, d.Type)
	if d.Pattern != nil {
		line += fmt.Sprintf(", and a record whose data match %q", d.Pattern)
	}
	return append([]string{line}, d.TLS.wants()...)
}
