package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"gslb/health"
	"gslb/health/probe/loop"
)

// longestPlain is the longest request of a plain probe. It fits into what a socket takes at once.
const longestPlain = 4 << 10

// plain is a probe that a loop can hold, as long as all goes as usual. Whatever does not is judged by the rest of
// the probe in its general form, which reads what was received once more.
type plain interface {
	// hear judges what has been received so far. It is called by the loop.
	hear(data []byte) (health.Result, loop.Answer)
	// rest ends a conversation that the loop has left. It closes the connection.
	rest(ctx context.Context, conn *connection, left loop.Rest) health.Result
}

// launcher makes the plain probes of a target in a loop.
type launcher struct {
	network *network
	meter   *meter
	plain   plain
	address string
	slow    health.Slow
	call    *loop.Call

	// Of the probe under way.
	to    health.Landing
	began time.Time
	heard health.Result // what it comes to, if all goes as usual
}

// launcher makes the launcher of a target whose probes are plain; nil: they are not.
func (m *makers) launcher(t health.Target) (health.Launcher, error) {
	var p plain
	var to endpoint
	var send []byte
	receives := true
	switch spec := t.Spec.(type) {
	case *health.HTTP:
		if !isPlainHTTP(*spec) {
			return nil, nil
		}
		made, err := newHTTP(m.network, spec)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.ID, err)
		}
		host, _, _ := net.SplitHostPort(made.first.to.address)
		// There may be very many of these: what only redirects need is not kept.
		made.first = &request{to: made.first.to, method: made.first.method, bytes: slices.Clone(made.first.bytes)}
		to, send, p = made.first.to, made.first.bytes, &plainHTTP{httpProbe: made, host: host}
	case *health.TCP:
		if !isPlainTCP(*spec) {
			return nil, nil
		}
		made, err := newTCP(m.network, spec)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.ID, err)
		}
		to, send, p, receives = made.to, []byte(spec.Send), &plainTCP{made}, spec.Pattern != nil
	default:
		return nil, nil
	}
	address, err := netip.ParseAddrPort(to.address)
	// Package net makes another address of those that are not specified, and of IPv4 in IPv6.
	if err != nil || to.tls != nil || address.Addr().IsUnspecified() || address.Addr().Is4In6() || address.Addr().Zone() != "" ||
		len(send) > longestPlain {
		return nil, nil
	}
	l := &launcher{network: m.network, meter: m.meter, plain: p, address: to.address, slow: t.Slow}
	l.call = m.loop.Call(address, send, receives, l)
	return l, nil
}

// isPlainHTTP says whether a spec has nothing but what plain probes do, which is all that is cleared here.
func isPlainHTTP(spec health.HTTP) bool {
	spec.URL, spec.Method, spec.Host, spec.Target, spec.Headers, spec.Body = "", "", "", "", nil, ""
	spec.Status, spec.Pattern, spec.MaxBody = nil, nil, 0
	return reflect.ValueOf(spec).IsZero()
}

// isPlainTCP is isPlainHTTP for TCP.
func isPlainTCP(spec health.TCP) bool {
	spec.Address, spec.Target, spec.Send, spec.Pattern = "", "", "", nil
	return reflect.ValueOf(spec).IsZero()
}

// Launch implements health.Launcher.
func (l *launcher) Launch(deadline time.Time, to health.Landing) {
	l.to, l.began, l.heard = to, time.Now(), pass(connected)
	l.meter.begin(l.began)
	l.call.Begin(deadline)
}

// Abort implements health.Launcher.
func (l *launcher) Abort() { l.call.Abort() }

// Received implements loop.Caller.
func (l *launcher) Received(data []byte) (answer loop.Answer) {
	defer func() {
		if recover() != nil { // the general form meets the same, and its panic is logged
			answer = loop.Odd
		}
	}()
	l.heard, answer = l.plain.hear(data)
	return answer
}

// Done implements loop.Caller.
func (l *launcher) Done() { l.land(l.heard) }

// Unopened implements loop.Caller.
func (l *launcher) Unopened(err error) {
	if errors.Is(err, context.Canceled) {
		l.land(canceled())
		return
	}
	l.resume(func(ctx context.Context) health.Result {
		return classify(ctx, l.network.explainDial(ctx, nil, dialFault(l.address, err)))
	})
}

// Left implements loop.Caller.
func (l *launcher) Left(left loop.Rest) {
	l.resume(func(ctx context.Context) health.Result {
		return l.plain.rest(ctx, l.network.adopt(ctx, left.Conn), left)
	})
}

// land ends the probe with a result. It needs no excuse: what is late is never judged in the loop.
func (l *launcher) land(result health.Result) {
	waited := l.call.Waited()
	if l.slow.After > 0 {
		result = l.meter.pace(result, l.slow, l.began.Add(waited), time.Now())
	}
	l.meter.end()
	to := l.to
	l.to, l.heard = nil, health.Result{}
	to.Land(presented(nil, result), waited)
}

// resume ends the probe in a goroutine, since judging may block.
func (l *launcher) resume(rest health.Probe) {
	to, began, waited := l.to, l.began, l.call.Waited()
	l.to, l.heard = nil, health.Result{}
	to.Resume(func(ctx context.Context) health.Result {
		defer l.meter.end()
		return presentable(l.meter.since(began, waited, func(ctx context.Context) health.Result {
			return l.meter.pace(rest(ctx), l.slow, began.Add(waited), time.Now())
		}))(ctx)
	}, waited)
}
