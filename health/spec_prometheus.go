package health

import (
	"fmt"
	"strconv"
)

// Prometheus is an instant query to a Prometheus server, and the range that its result must be in.
type Prometheus struct {
	Page     *HTTP    // the request
	Query    string   // that it asks, for people
	Min, Max *float64 // of each series; nil: no limit
	Absent   Verdict  // of a result without any series

	Load LoadFrom `json:",omitzero"` // "value": the result is the pool's load or weight
}

// Kind returns "prometheus".
func (*Prometheus) Kind() string { return "prometheus" }

// Files are those of the request.
func (p *Prometheus) Files() []string { return p.Page.Files() }

// Where is the Prometheus server.
func (p *Prometheus) Where() string { return p.Page.Where() }

// Wants says which result is wanted.
func (p *Prometheus) Wants() []string {
	return []string{fmt.Sprintf("wants %s of %s", p.Range(), p.Query)}
}

// Range says which values pass.
func (p *Prometheus) Range() string {
	write := func(n *float64) string { return strconv.FormatFloat(*n, 'g', -1, 64) }
	switch {
	case p.Min != nil && p.Max != nil:
		return "from " + write(p.Min) + " to " + write(p.Max)
	case p.Min != nil:
		return "at least " + write(p.Min)
	case p.Max != nil:
		return "at most " + write(p.Max)
	}
	return "any value"
}
