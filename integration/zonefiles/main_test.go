//go:build integration

// Package zonefiles tests that the built server, bin/gslb, reads and answers zones as other name
// servers do.
package zonefiles

import (
	"context"
	"os"
	"testing"
	"time"

	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

// begin returns a context for a test that ends well before the test binary's own limit.
func begin(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// must ends the test for an error that leaves nothing to test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
