//go:build integration

package zonefiles

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gslb/integration/parts"
)

var updateVerdicts = flag.Bool("update", false, "write the table of verdicts on zone files anew")

const (
	zoneFilesDir  = "testdata/zonefiles"
	verdictsTable = zoneFilesDir + "/verdicts.golden"
)

// TestZoneFiles asks NSD, Knot, BIND and gslb whether they would load each zone of a large
// corpus. What those three all accept gslb has to accept, and what they all refuse it has to
// refuse, with the file, the line and the reason. Where they differ it may do either. The table
// of all verdicts is kept, so that a change of any of them is seen.
func TestZoneFiles(t *testing.T) {
	gslb := parts.ZoneChecker{
		Name: "gslb", Program: parts.Binary(t),
		Args: func(_, _ string) []string { return []string{"check", "zones.toml"} },
	}
	configuration := fmt.Sprintf("[server]\nlisten = [\"127.0.0.1:0\"]\n[zones.%q]\nfile = %q\n", corpusZone, zoneFile)
	checkers := append(parts.ZoneCheckers(), gslb)
	dir := t.TempDir()
	var mu sync.Mutex
	found := verdicts{}
	t.Run("corpus", func(t *testing.T) {
		for _, z := range corpus(t) {
			t.Run(z.name, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(dir, filepath.FromSlash(z.name))
				z.write(t, dir, zoneFile)
				parts.Replace(t, filepath.Join(dir, "zones.toml"), configuration)
				row := make([]string, len(checkers))
				var said string // in the end, what gslb said
				for i, checker := range checkers {
					verdict, text, err := checker.Check(t.Context(), dir, corpusZone, zoneFile)
					must(t, err)
					row[i], said = verdict.String(), text
				}
				checkVerdict(t, z, row, said)
				mu.Lock()
				defer mu.Unlock()
				found[z.name] = row
			})
		}
	})
	found.check(t, checkers)
}

// checkVerdict checks the last verdict of a row, which is that of gslb, by the others.
func checkVerdict(t *testing.T, z corpusFile, row []string, said string) {
	t.Helper()
	ours, peers := row[len(row)-1], row[:len(row)-1]
	accept, refuse := parts.ZoneAccepted.String(), parts.ZoneRefused.String()
	if len(slices.Compact(slices.Clone(peers))) != 1 || peers[0] != accept && peers[0] != refuse {
		if ours != accept && ours != refuse {
			t.Errorf("gslb check: %s:\n%s", ours, said)
		}
		return // the peers differ
	}
	switch {
	case z.name == "bytes/set-large" && ours == refuse: // all load it, and none could ever answer it
	case ours != peers[0]:
		t.Errorf("all others %s it; gslb check (%s):\n%s\nthe zone file ends:\n%.1000s", peers[0], ours, said, z.own())
	case ours == refuse && !z.located(said):
		t.Errorf("gslb check does not say where the fault is:\n%s\nthe zone file ends:\n%.1000s", said, z.own())
	}
}

var placeInFile = regexp.MustCompile(`([\w.-]+\.db):(\d+)`)

// located says whether a message names the file, and the line if there is one to name, of what
// is wrong with a zone.
func (z corpusFile) located(message string) bool {
	if z.absence() {
		return strings.Contains(message, zoneFile)
	}
	for _, place := range placeInFile.FindAllStringSubmatch(message, -1) {
		line, err := strconv.Atoi(place[2])
		if file := place[1]; err == nil && (file != zoneFile || line > z.head) {
			return true
		}
	}
	return false
}

// verdicts are the rows of the table: what each checker says, by the zone's name.
type verdicts map[string][]string

// check compares what was found to the table in the corpus, or writes that. If only some of the
// zones were asked for (-run), it looks at these and writes nothing.
func (v verdicts) check(t *testing.T, checkers []parts.ZoneChecker) {
	t.Helper()
	all := len(v) == len(corpus(t))
	if *updateVerdicts && all {
		must(t, os.WriteFile(verdictsTable, []byte(v.table(checkers)), 0o644))
	}
	want := readVerdicts(t)
	if !all {
		maps.DeleteFunc(want, func(name string, _ []string) bool { return v[name] == nil })
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("the verdicts are not those of %s; if they should be, run with -update (-want +got)\n%s", verdictsTable, diff)
	}
}

func (v verdicts) table(checkers []parts.ZoneChecker) string {
	const row = "%-44s"
	var table strings.Builder
	fmt.Fprintf(&table, row, "# zone")
	for _, checker := range checkers {
		fmt.Fprintf(&table, " %-6s", checker.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&table, "\n"+row, name)
		for _, verdict := range v[name] {
			fmt.Fprintf(&table, " %-6s", verdict)
		}
	}
	return table.String() + "\n"
}

func readVerdicts(t *testing.T) verdicts {
	t.Helper()
	text, err := os.ReadFile(verdictsTable)
	must(t, err)
	v := verdicts{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] != "#" {
			v[fields[0]] = fields[1:]
		}
	}
	return v
}
