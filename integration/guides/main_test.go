//go:build integration

// Package guides does what docs/ has a reader do, as it stands there.
package guides

import (
	"os"
	"testing"

	"gslb/integration/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
