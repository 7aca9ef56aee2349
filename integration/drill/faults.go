package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gslb/integration/example"
	"gslb/integration/parts"
)

// Faults of one of the two servers, the first; all others are of the preferred region.
const (
	serverKilled parts.Fault = "server-kill" // its port is closed
	serverHung   parts.Fault = "server-hang" // its port is open, and nothing comes
)

// faultKind is a fault as the drill expects it to show.
type faultKind struct {
	fault parts.Fault
	what  string // for the report
	// server says that a server has it. The other one can't see it, and answers alone.
	server bool
	// seenBy are the types of the checks that see it, and hangs says that their probes take their whole
	// timeout to fail. The one that sees it first counts.
	seenBy []string
	hangs  bool
	// stays says that clients stay where they are.
	stays bool
}

// faultKinds are all faults. Dependents fail too: the health check of the app, which the load
// balancer serves, reads the table.
//
//	fault             what the app's check sees        what the table's check sees
//	lb-kill           refused                          -
//	lb-hang           timeout                          -
//	app-503           503                              -
//	dynamodb-stop     503                              refused
//	dynamodb-hang     503, within its timeout          timeout
//	table-gone        503                              no such table
//	replication-stop  -                                -: the copy is degraded, and goes on serving
//	server-kill       -                                -: resolvers ask the other server
//	server-hang       -                                -: the same, after a timeout of theirs
func faultKinds() []faultKind {
	return []faultKind{
		{fault: parts.LoadBalancerKilled, what: "the load balancer is killed", seenBy: []string{"http"}},
		{fault: parts.LoadBalancerHung, what: "the load balancer hangs", seenBy: []string{"http"}, hangs: true},
		{fault: parts.AppFailing, what: "every app server says 503", seenBy: []string{"http"}},
		{fault: parts.DynamoDBStopped, what: "DynamoDB is down", seenBy: []string{"http", "dynamodb"}},
		{fault: parts.DynamoDBHung, what: "DynamoDB hangs", seenBy: []string{"http", "dynamodb"}, hangs: true},
		{fault: parts.TableGone, what: "the table is deleted", seenBy: []string{"http", "dynamodb"}},
		{fault: parts.ReplicationStopped, what: "nothing is replicated", stays: true},
		{fault: serverKilled, what: "one of the two name servers is killed", server: true, stays: true},
		{fault: serverHung, what: "one of the two name servers hangs", server: true, stays: true},
	}
}

// inflict brings a fault about.
func (s *stack) inflict(ctx context.Context, fault parts.Fault) error {
	switch fault {
	case serverKilled:
		s.servers[0].Kill()
		return nil
	case serverHung:
		return s.servers[0].Hang(ctx)
	}
	return s.regions[s.preferred].Inflict(ctx, fault)
}

// heal undoes it.
func (s *stack) heal(ctx context.Context, fault parts.Fault) error {
	switch fault {
	case serverKilled:
		return s.servers[0].Start(ctx)
	case serverHung:
		s.servers[0].Resume()
		return nil
	}
	return s.regions[s.preferred].Heal(ctx)
}

// chosen are the faults that a list names; an empty list names all.
func chosen[T any](list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var some []T
	var names []string
	for _, t := range all {
		names = append(names, name(t))
	}
	for word := range strings.SplitSeq(list, ",") {
		i := slices.Index(names, strings.TrimSpace(word))
		if i < 0 {
			return nil, fmt.Errorf("%q is not one of %s", word, strings.Join(names, ", "))
		}
		some = append(some, all[i])
	}
	return some, nil
}

// busy is what is allowed for the work itself, on a machine that runs all of this: two servers, two regions,
// all resolvers and all clients.
const busy = 500 * time.Millisecond

// rounding is how much longer than its TTL a resolver may keep an answer, since it counts whole seconds.
const rounding = time.Second

// detectBound is how long a fault can go unseen, by the settings of the checks that see it:
//
//	interval + (fall - 1) × the longer of fast_interval and a failing probe + a failing probe
//
// A probe that passed just before the fault is the worst case. The check that is through first counts.
func detectBound(fault faultKind, checks []example.Check) time.Duration {
	least := time.Duration(-1)
	for _, c := range checks {
		if !slices.Contains(fault.seenBy, c.Type) {
			continue
		}
		var probe time.Duration
		if fault.hangs {
			probe = c.Timeout
		}
		d := c.Interval + time.Duration(c.Fall-1)*max(c.FastInterval, probe) + probe + busy
		if least < 0 || d < least {
			least = d
		}
	}
	return max(least, 0)
}

// resolverBound is by when a resolver has moved: it may have asked just before the answer changed.
func resolverBound(detected, ttl time.Duration, r resolverKind) time.Duration {
	return detected + max(ttl, r.leastTTL) + rounding
}

// clientBound is by when a client has moved: it may have looked the name up just before its resolver moved,
// keep that for a time of its own, and have made a request at the end of this that takes its whole timeout.
func clientBound(resolved time.Duration, c clientKind) time.Duration {
	return resolved + c.keeps + clientEvery + clientTimeout
}
