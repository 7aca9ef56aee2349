package probe

import (
	"context"
	"fmt"
	"io"
	"time"

	"gslb/health"
)

// maxGreeting is how many bytes a pattern is looked for in.
const maxGreeting = 4 << 10

// What is said of connections that pass.
const (
	connected     = "connected"
	answerMatches = "what was read matches"
)

type tcpProbe struct {
	spec    *health.TCP
	network *network
	to      endpoint
	steps   []health.TCPStep
}

func newTCP(n *network, spec *health.TCP) (*tcpProbe, error) {
	to, err := endpointOf(&spec.Link, spec.Address)
	if err != nil {
		return nil, err
	}
	steps := append([]health.TCPStep{{Send: spec.Send, Pattern: spec.Pattern}}, spec.Steps...)
	return &tcpProbe{spec: spec, network: n, to: to, steps: steps}, nil
}

func (p *tcpProbe) probe(ctx context.Context) health.Result {
	conn, err := p.network.connect(ctx, p.to)
	if err != nil {
		return classify(ctx, err)
	}
	defer conn.close()
	return p.network.expiring(conn, &p.spec.TLS, p.converse(ctx, conn))
}

// converse takes the steps of the exchange, one after the other. What is read stays in sight until something is
// written, so that several patterns may be wanted of the same text in any order.
func (p *tcpProbe) converse(ctx context.Context, conn *connection) health.Result {
	trace, result := traceOf(ctx), pass(connected)
	var seen []byte
	for i, step := range p.steps {
		if step.Send != "" {
			began := time.Now()
			_, err := io.WriteString(conn, step.Send)
			trace.sent([]byte(step.Send), began, err)
			if err != nil {
				return classify(ctx, conn.fault(sending, err))
			}
			seen = nil
		}
		if step.Pattern == nil {
			continue
		}
		// On a connection that stays open, "$" can only mean the end of what has been received so far.
		m := matcher{pattern: step.Pattern, limit: maxGreeting, eager: true, seen: seen}
		tap := trace.tap(conn)
		f := m.read(tap.reader(conn))
		tap.read(f.err)
		if result = p.judge(ctx, conn, f, step); result.Verdict != health.Pass {
			if i > 0 {
				result.Detail = fmt.Sprintf("step %d: %s", i, result.Detail)
			}
			return result
		}
		seen = f.text
	}
	return result
}

func (p *tcpProbe) judge(ctx context.Context, conn *connection, f found, step health.TCPStep) health.Result {
	switch {
	case f.matched:
		return pass(answerMatches)
	case len(f.text) == 0 && f.err == nil:
		return classify(ctx, conn.fault(reading, io.EOF))
	case f.err != nil:
		result := classify(ctx, conn.fault(reading, f.err))
		if len(f.text) > 0 {
			result.Detail += "; " + f.mismatch("what was read", step.Pattern)
		}
		return result
	}
	return fail("body", "%s", f.mismatch("what was read", step.Pattern))
}
