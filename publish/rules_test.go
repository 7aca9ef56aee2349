package publish

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/answer"
	"gslb/safety"
	"gslb/steer"
	"gslb/zones"
)

// TestRuling walks through the table above ruling: what is held, and what has begun to be.
func TestRuling(t *testing.T) {
	const names = fourNames + `
[zones."gslb.example.com".names.third]
pools = ["ams", "nyc"]
`
	set, other := parse(t, twoPools+names), parse(t, twoPools+strings.ReplaceAll(names, `"1m"`, `"3m"`))
	// table has the first decisions held by some rules each.
	table := func(set *zones.Set, held ...string) *answer.Table {
		out := decided(set, steer.Memory{})
		for i, all := range held {
			d := *out.Decisions[i]
			for rule := range strings.FieldsSeq(all) {
				if rule == steer.Drain || rule == steer.Pin || rule == steer.PanicBelow {
					d.Reasons = slices.Clone(d.Reasons)
					d.Reasons[0].Rule = rule
				} else {
					d.Held = append(d.Held, steer.Hold{Rule: rule, Pool: "nyc"})
				}
			}
			out.Decisions[i] = &d
		}
		return answer.Compile(set, out.Pools, out.Decisions)
	}
	k := newRuling(prometheus.NewRegistry())
	var was *answer.Table
	for i, step := range []struct {
		set  *zones.Set
		held []string
		want string // rule: held, begun so far
	}{
		{set, []string{steer.FailoverAfter}, "failover_after 1 0"}, // it goes on over a restart
		{set, nil, ""},
		{set, []string{steer.FailoverAfter}, "failover_after 1 1"},
		{set, []string{steer.FailoverAfter, steer.FailoverAfter}, "failover_after 2 2"},
		{set, []string{steer.Drain + " " + safety.Blind, steer.FailoverAfter}, "blind 1 1, drain 1 1, failover_after 1 2"},
		{set, []string{safety.Blind + " " + safety.Blind}, "blind 1 1, drain 0 1, failover_after 0 2"},
		{set, nil, "blind 0 1, drain 0 1, failover_after 0 2"},
		{set, []string{steer.Drain}, "blind 0 1, drain 1 2, failover_after 0 2"},
		{other, []string{steer.Drain}, "blind 0 1, drain 1 2, failover_after 0 2"}, // it goes on over a reload
		{other, []string{steer.Drain + " " + steer.Velocity}, "blind 0 1, drain 1 2, failover_after 0 2, velocity 1 1"},
	} {
		is := table(step.set, step.held...)
		k.observe(was, is, everything(is))
		was = is
		var got []string
		for _, rule := range slices.Sorted(slices.Values(ruled)) {
			held, begun := testutil.ToFloat64(k.held.WithLabelValues(rule)), testutil.ToFloat64(k.began.WithLabelValues(rule))
			if held > 0 || begun > 0 {
				got = append(got, fmt.Sprint(rule, " ", held, " ", begun))
			}
		}
		if text := strings.Join(got, ", "); text != step.want {
			t.Errorf("step %d: %q, want %q", i+1, text, step.want)
		}
	}
}

// Every rule that package steer names is counted.
func TestEveryRuleIsCounted(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../steer/decision.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, decl := range file.Decls {
		group, is := decl.(*ast.GenDecl)
		if !is || group.Tok != token.CONST || !strings.HasPrefix(group.Doc.Text(), "The names of the rules") {
			continue
		}
		for _, spec := range group.Specs {
			rule, _ := strconv.Unquote(spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			if named++; !slices.Contains(ruled, rule) {
				t.Errorf("rule %q is not counted", rule)
			}
		}
	}
	if named == 0 {
		t.Error("steer/decision.go names no rules")
	}
}
