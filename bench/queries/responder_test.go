package queries

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gslb/integration/parts"
)

func TestResponder(t *testing.T) {
	r, err := startResponder()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	check := func(pool string, want int) {
		t.Helper()
		status, _, err := parts.Get(t.Context(), fmt.Sprintf("http://%s:%d/", pool, r.addr.Port()))
		if err != nil || status != want {
			t.Errorf("a check of %s is answered with %d, %v; want %d", pool, status, err, want)
		}
	}
	check("127.1.0.1", 200)
	if !r.failedAt().IsZero() {
		t.Error("a check has failed, it says")
	}

	r.fail(netip.MustParseAddr("127.1.0.1"))
	check("127.1.0.2", 200)
	if !r.failedAt().IsZero() {
		t.Error("a check has failed, it says, though that of another pool")
	}
	before := time.Now()
	check("127.1.0.1", 503)
	after := time.Now()
	check("127.1.0.1", 503)
	if at := r.failedAt(); at.Before(before) || at.After(after) {
		t.Errorf("the first check failed at %v, it says, want from %v to %v", at, before, after)
	}

	r.fail()
	check("127.1.0.1", 200)
	if !r.failedAt().IsZero() {
		t.Error("a check has failed since, it says")
	}
}
