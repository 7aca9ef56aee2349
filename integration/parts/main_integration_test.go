//go:build integration

package parts

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Isolated(m.Run)) }
