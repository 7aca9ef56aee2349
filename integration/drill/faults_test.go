package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gslb/integration/example"
	"gslb/integration/parts"
)

var checks = []example.Check{
	{Type: "dynamodb", Interval: 2 * time.Second, FastInterval: 500 * time.Millisecond, Timeout: time.Second, Fall: 2},
	{Type: "http", Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 3 * time.Second, Fall: 3},
}

func kindOf(t *testing.T, fault parts.Fault) faultKind {
	t.Helper()
	kinds, err := chosen(string(fault), faultKinds(), faultKind.name)
	if err != nil {
		t.Fatal(err)
	}
	return kinds[0]
}

func TestDetectBound(t *testing.T) {
	for _, test := range []struct {
		fault parts.Fault
		want  time.Duration
	}{
		{parts.LoadBalancerKilled, 5*time.Second + 2*time.Second + busy},
		{parts.LoadBalancerHung, 5*time.Second + 2*3*time.Second + 3*time.Second + busy},
		{parts.DynamoDBStopped, 2*time.Second + 500*time.Millisecond + busy}, // the check of the table is through first
		{parts.DynamoDBHung, 2*time.Second + time.Second + time.Second + busy},
		{parts.ReplicationStopped, 0},
	} {
		if got := detectBound(kindOf(t, test.fault), checks); got != test.want {
			t.Errorf("%s: %v, want %v", test.fault, got, test.want)
		}
	}
}

// Each step on the way from a check to a client adds what it may keep.
func TestBounds(t *testing.T) {
	const detected = 3 * time.Second
	if got, want := resolverBound(detected, 20*time.Second, resolverKind{leastTTL: 5 * time.Second}), detected+20*time.Second+rounding; got != want {
		t.Errorf("a resolver with a lower minimum than the TTL: %v, want %v", got, want)
	}
	resolved := resolverBound(detected, time.Second, resolverKind{leastTTL: 5 * time.Second})
	if want := detected + 5*time.Second + rounding; resolved != want {
		t.Errorf("a resolver with a higher minimum than the TTL: %v, want %v", resolved, want)
	}
	if got, want := clientBound(resolved, clientKind{keeps: 30 * time.Second}), resolved+30*time.Second+clientEvery+clientTimeout; got != want {
		t.Errorf("a client: %v, want %v", got, want)
	}
}

// Every fault of the stack is drilled, and two of a server.
func TestAllFaults(t *testing.T) {
	kinds := slices.DeleteFunc(faultKinds(), func(f faultKind) bool { return f.server })
	if len(kinds) != len(parts.Faults()) || len(faultKinds()) != len(kinds)+2 {
		t.Fatalf("%d faults are drilled, %d of them of a region; a region has %d", len(faultKinds()), len(kinds), len(parts.Faults()))
	}
	for _, fault := range parts.Faults() {
		if kind := kindOf(t, fault); kind.stays == (len(kind.seenBy) > 0) {
			t.Errorf("%s: clients either move, since a check sees it, or stay", fault)
		}
	}
}

func TestChosen(t *testing.T) {
	if all, err := chosen("", faultKinds(), faultKind.name); err != nil || len(all) != len(faultKinds()) {
		t.Errorf("nothing chosen: %d, %v", len(all), err)
	}
	if some, err := chosen("table-gone, lb-kill", faultKinds(), faultKind.name); err != nil || len(some) != 2 || some[0].fault != parts.TableGone {
		t.Errorf("two chosen: %v, %v", some, err)
	}
	if _, err := chosen("lb-kill,lb-kil", faultKinds(), faultKind.name); err == nil || !strings.Contains(err.Error(), `"lb-kil" is not one of lb-kill, `) {
		t.Errorf("a word that is wrong: %v", err)
	}
}
