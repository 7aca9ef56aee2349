//go:build integration

package decisions

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPeers runs the cases of every peer: see the package's documentation.
func TestPeers(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/cases.txt")
	must(t, err)
	if len(folders) < 8 {
		t.Errorf("only %d peers were found", len(folders))
	}
	m := serveMembers(t)
	for _, path := range folders {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel() // most of the time goes by until a server has seen who is down
			config, err := os.ReadFile(filepath.Join(folder, "zones.toml"))
			must(t, err)
			text, err := os.ReadFile(path)
			must(t, err)
			w := serveFor(t, m, string(config), settings{GeoIP: databases(t)})
			cases, err := w.readCases(string(text))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for _, c := range cases {
				t.Run(fmt.Sprintf("line %d", c.steps[0].line), func(t *testing.T) { w.run(t, path, c) })
			}
		})
	}
}

// run does what a case says.
func (w *world) run(t *testing.T, path string, c testCase) {
	if !strings.HasPrefix(c.rule, "https://") && !strings.HasPrefix(c.rule, "docs/steering.md\n") {
		t.Fatalf("%s:%d: the case does not begin with its source", path, c.steps[0].line)
	}
	w.fail(t)
	for _, s := range c.steps {
		if s.isHealth {
			w.fail(t, s.down...)
		} else if err := w.check(t, s.question, s.want); err != nil {
			t.Errorf("%s:%d: %v: %v\nwanted: %s\n%s", path, s.line, s.question, err, s.want.text, c.rule)
		}
	}
}

const (
	few  = 15   // replies where all must be alike
	many = 1500 // where shares are counted
)

// check asks until it can tell whether the replies are what they must be, over UDP and TCP.
func (w *world) check(t *testing.T, q question, want expectation) error {
	t.Helper()
	overTCP := q
	overTCP.tcp = true
	once := w.replies(t, overTCP, 1)
	if err := want.each(once); err != nil {
		return fmt.Errorf("over TCP: %w", err)
	}
	if want.of == nil && len(want.shares) == 1 {
		return want.each(w.replies(t, q, few))
	}
	// One count in 370 is off by three sigma though nothing is wrong, and up to 20 are made here. So
	// what is off is counted again.
	var err error
	for range 3 {
		if err = want.all(w.replies(t, q, many)); err == nil {
			break
		}
	}
	return err
}

// each checks what must hold of every reply alone.
func (e expectation) each(replies []reply) error {
	for _, r := range replies {
		switch {
		case e.ttl >= 0 && r.ttl != uint32(e.ttl):
			return fmt.Errorf("TTL %d, want %d", r.ttl, e.ttl)
		case e.scope >= 0 && r.scope != e.scope:
			return fmt.Errorf("scope %d, want %d", r.scope, e.scope)
		case e.of != nil:
			if err := e.isSome(r); err != nil {
				return err
			}
		case e.shares[r.answer()] == 0:
			return fmt.Errorf("it answers %q, want %q", r.answer(), e.alternatives())
		}
	}
	return nil
}

func (e expectation) isSome(r reply) error {
	if len(r.addrs) != e.count {
		return fmt.Errorf("%d addresses, want %d", len(r.addrs), e.count)
	}
	for _, addr := range r.addrs {
		if !slices.Contains(e.of, addr) {
			return fmt.Errorf("it has %v, which is none of %v", addr, e.of)
		}
	}
	return nil
}

// all checks the replies together: how often there is what.
func (e expectation) all(replies []reply) error {
	if err := e.each(replies); err != nil {
		return err
	}
	seen := make(map[string]int)
	if e.of != nil {
		for _, r := range replies {
			for _, addr := range r.addrs {
				seen[addr.String()]++
			}
		}
		for _, addr := range e.of {
			if err := isShare(seen[addr.String()], len(replies), float64(e.count)/float64(len(e.of))); err != nil {
				return fmt.Errorf("%v %w", addr, err)
			}
		}
		return nil
	}
	for _, r := range replies {
		seen[r.answer()]++
	}
	sum := 0
	for _, weight := range e.shares {
		sum += weight
	}
	for answer, weight := range e.shares {
		if err := isShare(seen[answer], len(replies), float64(weight)/float64(sum)); err != nil {
			return fmt.Errorf("%q %w", answer, err)
		}
	}
	return nil
}

// isShare checks that what was seen so often has a share of all, within three sigma of the binomial
// distribution.
func isShare(seen, all int, share float64) error {
	want := share * float64(all)
	if sigma := math.Sqrt(want * (1 - share)); math.Abs(float64(seen)-want) > 3*sigma+0.5 {
		return fmt.Errorf("was seen in %d of %d replies, want %.0f ± %.0f", seen, all, want, 3*sigma)
	}
	return nil
}
