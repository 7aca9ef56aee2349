// Package probe makes the probes of each kind of check, and those that write and read the
// heartbeats of replicated tables.
//
// Every probe that connects opens a new connection, looks its name up again, and ends with its context. Those
// that are plain have a second form, which an event loop holds as long as all goes as usual: see launcher. A fault
// of the target is a fail. A fault of this host or of its credentials is indeterminate, so that it
// never changes a status.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"

	"gslb/health"
	"gslb/health/probe/loop"
	"gslb/internal/command"
)

// Options is what all probes share. The zero value is what a server runs with.
type Options struct {
	// Dial opens the connections of all probes; nil: with a plain net.Dialer. It must end when its
	// context is done. No probe goes through a proxy: if the proxy failed, every target would seem
	// to be down.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// NameServers opens the connections to this host's name servers, by Go's own resolver;
	// nil: with a plain net.Dialer.
	NameServers func(ctx context.Context, network, address string) (net.Conn, error)

	// AWS loads the configuration that all DynamoDB probes share, above all its
	// credentials; nil: the SDK's default chain (environment, ~/.aws, web identity,
	// container, instance). It is called by the first DynamoDB probe, under that probe's
	// context, and again by later ones until it has succeeded once.
	AWS func(context.Context) (aws.Config, error)

	// Heartbeats is told what the heartbeats of replicated tables find; nil: there can be none.
	Heartbeats Heartbeats

	// Pushes is what push checks are told; nil: nobody tells them anything.
	Pushes *health.Pushes

	// Commands is how many programs of exec checks may run at once; nil: none is run, and none is looked
	// for. It may change.
	Commands func() int

	Registerer prometheus.Registerer // nil: no metrics
}

// New returns a Maker for every kind of spec that package health defines. It starts
// nothing. The Maker is safe for concurrent use; its errors name the field of the spec
// that is wrong.
func New(o Options) health.Maker {
	maker, _ := NewLight(o)
	return maker
}

// NewLight returns, beside the Maker of New, one for plain probes that an event loop takes: nil where
// there is none, or the connections are not of its making. Both share what they learn of the network.
func NewLight(o Options) (health.Maker, health.LauncherMaker) {
	m := newMakers(o)
	if m.loop == nil {
		return m.probe, nil
	}
	return m.probe, m.launcher
}

// makers is what the probes of one program share.
type makers struct {
	network    *network
	account    *account
	opinions   *opinions
	heartbeats Heartbeats
	pushes     *health.Pushes
	runner     *command.Runner // nil: there may be no commands
	meter      *meter
	loop       *loop.Loop // nil: there is none
}

func newMakers(o Options) *makers {
	m := &makers{
		network: o.network(), account: newAccount(o.AWS), opinions: &opinions{all: map[asked]map[string]opinion{}},
		heartbeats: o.Heartbeats, pushes: o.Pushes, meter: new(meter),
	}
	if o.Commands != nil {
		m.runner = &command.Runner{Limit: o.Commands}
	}
	if o.Dial == nil {
		m.loop = loop.New(func(err error) bool { return isAnswer("", err) })
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(m.network.clocks)
	}
	return m
}

func (m *makers) probe(t health.Target) (health.Probe, error) {
	var probe health.Probe
	var err error
	switch spec := t.Spec.(type) {
	case *health.HTTP:
		probe, err = called(newHTTP(m.network, spec))
	case *health.TCP:
		probe, err = called(newTCP(m.network, spec))
	case *health.Handshake:
		probe, err = newTLS(m.network, spec)
	case *health.DynamoDB:
		probe, err = newDynamoDB(m.network, m.account, m.opinions, spec)
	case *health.Heartbeat:
		probe, err = newHeartbeat(m.network, m.account, m.heartbeats, spec)
	case *health.DNS:
		probe, err = newDNS(m.network, spec)
	case *health.GRPC:
		probe, err = newGRPC(m.network, spec)
	case *health.HAProxy:
		probe, err = newHAProxy(m.network, spec)
	case *health.Prometheus:
		probe, err = newPrometheus(m.network, spec)
	case *health.Exec:
		probe, err = newExec(m.runner, &t, spec)
	case *health.Push:
		probe, err = newPush(m.pushes, &t, spec)
	case nil:
		err = errors.New("it has no spec")
	default:
		err = fmt.Errorf("there is no probe of type %q", spec.Kind())
	}
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.ID, err)
	}
	return presentable(m.meter.punctual(m.meter.paced(probe, t.Slow))), nil
}

// called is the Probe of what has one.
func called[P interface {
	probe(context.Context) health.Result
}](p P, err error) (health.Probe, error) {
	if err != nil {
		return nil, err
	}
	return p.probe, nil
}

// network opens connections as the options say.
func (o *Options) network() *network {
	nameServers := o.NameServers
	if nameServers == nil {
		nameServers = new(net.Dialer).DialContext
	}
	if o.Dial != nil {
		return newNetwork(o.Dial, o.Dial, nameServers)
	}
	return newNetwork(directDial(nameServers), directDial(elsewhere(nameServers)), nameServers)
}

func pass(detail string) health.Result {
	return health.Result{Verdict: health.Pass, Reason: "ok", Detail: detail}
}

func fail(reason, format string, args ...any) health.Result {
	return health.Result{Verdict: health.Fail, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

func indeterminate(reason, format string, args ...any) health.Result {
	return health.Result{Verdict: health.Indeterminate, Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// notesOf returns a copy of what was found beside a verdict, to add to.
func notesOf(r health.Result) health.Notes {
	if r.Notes == nil {
		return health.Notes{}
	}
	return *r.Notes
}
