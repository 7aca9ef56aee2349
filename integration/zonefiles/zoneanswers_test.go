//go:build integration

package zonefiles

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"gslb/integration/parts"
)

// TestZoneAnswers serves thousands of small zones, as odd as they may be, with NSD, Knot and
// gslb, and asks all three the same questions. Where NSD and Knot agree, gslb has to give their
// answer: response code, AA, and the records of every section. Where they differ it has to give
// the answer of one of them.
func TestZoneAnswers(t *testing.T) {
	ctx := begin(t)
	zones := slices.Concat(handMadeZones(t), corpusZones(t), randomZones())
	panel := startPanel(t, ctx, zones)

	shares := slices.Collect(slices.Chunk(zones, len(zones)/runtime.NumCPU()+1))
	found := make([]comparison, len(shares))
	work, ctx := errgroup.WithContext(ctx)
	for i, share := range shares {
		work.Go(func() error { return found[i].askAbout(ctx, panel, share) })
	}
	must(t, work.Wait())
	for _, part := range found[1:] {
		found[0].add(part)
	}
	found[0].report(t, zones)
}

// panel is the servers that are asked: NSD, Knot and gslb.
type panel [3]struct {
	name   string
	listen netip.AddrPort
}

// defaultTTL is what NSD and Knot give to records where nothing says another.
const defaultTTL = "1h"

// startPanel has each server read all zones.
func startPanel(t *testing.T, ctx context.Context, zones []answerZone) panel {
	t.Helper()
	dir := t.TempDir()
	files := make(map[string]string, len(zones))
	var configuration strings.Builder
	for i := range zones {
		z := &zones[i]
		// All are in one folder, since each server takes an $INCLUDE as relative to another.
		fmt.Fprintf(&configuration, "[zones.%q]\nfile = %q\nttl = %q\n", z.origin, z.lay(t, ctx, dir), defaultTTL)
		files[z.origin] = z.path
	}

	lab := parts.ForTest(t)
	var at [4]netip.AddrPort
	for i := range at {
		var err error
		at[i], err = lab.FreePort(netip.MustParseAddr("127.0.0.1"))
		must(t, err)
	}
	nsd, err := lab.StartNSD(ctx, parts.NSDConfig{
		Name: "nsd", Listen: at[0], Zones: files,
		Options: []string{
			fmt.Sprintf("zonesdir: %q", dir),
			// Without this it adds the zone's nameservers to every answer, which Knot does not.
			"minimal-responses: yes",
		},
	})
	must(t, err)
	knot, err := lab.StartKnot(ctx, parts.KnotConfig{Name: "knot", Listen: at[1], Zones: files})
	must(t, err)
	path := filepath.Join(dir, "zones.toml")
	parts.Replace(t, path, fmt.Sprintf("[server]\nlisten = [%q]\nrate_limit.rate = 0\n[admin]\nlisten = %q\n%s",
		at[2], at[3], &configuration))
	gslb, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Zones: path, Listen: at[2], Admin: at[3]})
	must(t, err)
	t.Cleanup(func() { gslb.CheckLog(t) })
	return panel{{"NSD", nsd.Listen}, {"Knot", knot.Listen}, {"gslb", gslb.Listen}}
}
