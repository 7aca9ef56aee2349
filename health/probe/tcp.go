package probe

import (
	"context"
	"io"
	"time"

	"gslb/health"
)

// maxGreeting is how many bytes a pattern is looked for in.
const maxGreeting = 4 << 10

type tcpProbe struct {
	spec    *health.TCP
	network *network
	to      endpoint
	answer  matcher // its pattern may be nil
}

func newTCP(n *network, spec *health.TCP) (health.Probe, error) {
	to, err := endpointOf(&spec.Link, spec.Address)
	if err != nil {
		return nil, err
	}
	p := &tcpProbe{spec: spec, network: n, to: to}
	if spec.Pattern != nil {
		// On a connection that stays open, "$" can only mean the end of what has been received so
		// far.
		p.answer = matcher{pattern: spec.Pattern, limit: maxGreeting, eager: true}
	}
	return p.probe, nil
}

func (p *tcpProbe) probe(ctx context.Context) health.Result {
	conn, err := p.network.connect(ctx, p.to)
	if err != nil {
		return classify(ctx, err)
	}
	defer conn.close()

	trace := traceOf(ctx)
	if p.spec.Send != "" {
		began := time.Now()
		_, err := io.WriteString(conn, p.spec.Send)
		trace.sent([]byte(p.spec.Send), began, err)
		if err != nil {
			return classify(ctx, conn.fault(sending, err))
		}
	}
	if p.answer.pattern == nil {
		return pass("connected")
	}

	tap := trace.tap(conn)
	f := p.answer.read(tap.reader(conn))
	tap.read(f.err)
	switch {
	case f.matched:
		return pass("what was read matches")
	case len(f.text) == 0 && f.err == nil:
		return classify(ctx, conn.fault(reading, io.EOF))
	case f.err != nil:
		result := classify(ctx, conn.fault(reading, f.err))
		if len(f.text) > 0 {
			result.Detail += "; " + f.mismatch("what was read", p.spec.Pattern)
		}
		return result
	}
	return fail("body", "%s", f.mismatch("what was read", p.spec.Pattern))
}
