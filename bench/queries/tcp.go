package queries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gslb/bench/load"
	"gslb/internal/plural"
)

// Over TCP the load is [load.TCP]: dnsperf opens only a few hundred connections a second.
const (
	tcpConnections = 50 // at the same time
	tcpWindow      = 5  // queries that are open on one of them, at most
)

// tcpOne is a query a connection, as resolvers ask that were told to try again over TCP.
func tcpOne(ctx context.Context, b *bench) error { return b.tcp(ctx, "tcp", 1) }

// tcpHundred is what resolvers do that keep connections.
func tcpHundred(ctx context.Context, b *bench) error { return b.tcp(ctx, "tcp100", 100) }

// tcp measures all contenders over TCP, with so many queries on each connection.
func (b *bench) tcp(ctx context.Context, name string, perConn int) (err error) {
	t, err := b.newTrial(name, content{names: b.size.names, pools: b.size.pools}, rare(), b.nameServers())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	questions := t.content.first(steeredMix, b.size.questions)
	queries, err := pack(questions)
	if err != nil {
		return err
	}
	negative := negatives(questions)
	results := newResults(t.servers)
	err = t.eachServing(ctx, "tcp", questions[:sampled], func(server *server, label string) error {
		if _, err := t.tcpLoad(ctx, server, queries, perConn, t.warmUp); err != nil {
			return err
		}
		entry := results[server.index]
		err := entry.measure(server.part, func() (traffic, error) {
			found, err := t.tcpLoad(ctx, server, queries, perConn, b.duration)
			return found, errors.Join(err, server.check(found, negative))
		})
		if err != nil {
			return err
		}
		b.Say("%s, %-10s %s", name, label, entry.last())
		return nil
	})
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s, with %s a connection", name, plural.Of(perConn, "query", "queries"))
	results.report(b, fmt.Sprintf("%s: %d connections at a time; latency is that of a connection", what, tcpConnections))
	if us, best := results.ours(), results.best(slowness); us != nil && best != nil {
		b.goalRatio(what+": queries/s beside "+best.name, atLeast(1), us.rate.Median()/best.rate.Median())
	}
	return nil
}

func (t *trial) tcpLoad(ctx context.Context, server *server, queries [][]byte, perConn int, length time.Duration) (traffic, error) {
	r, err := load.TCP(ctx, load.TCPConfig{
		Server: server.listen, Queries: queries, Connections: tcpConnections, PerConn: perConn, Window: tcpWindow,
		Time: length, Processor: loadProcessor,
	})
	if err != nil {
		return traffic{}, err
	}
	if r.Failed > 0 {
		t.Say("%s: %d of %d connections failed; the first: %v", server.name, r.Failed, r.Connections, r.Failure)
	}
	found := traffic{
		sent: int64(r.Sent), answered: int64(r.Answered), rcodes: byName(r.Rcodes),
		took: r.Time, latency: r.ConnTime,
	}
	if r.Answered > 0 {
		found.replyBytes = float64(r.ReplyBytes) / float64(r.Answered)
	}
	return found, nil
}
