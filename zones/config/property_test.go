package config

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

// However many names use the same pools, and however many pools the same addresses, each
// thing is probed once and each way of steering is decided once.
func TestTargetsDoNotGrowWithNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addresses := rapid.SliceOfNDistinct(rapid.IntRange(1, 20), 1, 8, rapid.ID[int]).Draw(t, "addresses")
		pools := rapid.IntRange(1, 5).Draw(t, "pools")
		names := rapid.IntRange(1, 50).Draw(t, "names")

		var b strings.Builder
		b.WriteString("server = { listen = [\"127.0.0.1:0\"] }\nchecks.web = { type = \"http\", url = \"http://{address}/\" }\n")
		var members []string
		for _, a := range addresses {
			members = append(members, fmt.Sprintf("%q", fmt.Sprintf("203.0.113.%d", a)))
		}
		var all []string
		for i := range pools {
			all = append(all, fmt.Sprintf("\"p%d\"", i))
			fmt.Fprintf(&b, "pools.p%d = { members = [%s], checks = [\"web\"] }\n", i, strings.Join(members, ", "))
		}
		b.WriteString("[zones.\"example.com\"]\nnameservers = { \"ns.example.net.\" = [] }\n[zones.\"example.com\".names]\n")
		for i := range names {
			fmt.Fprintf(&b, "n%d = { pools = [%s] }\n", i, strings.Join(all, ", "))
		}

		set, err := Parse([]byte(b.String()), "zones.toml", LoadOptions{Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Targets) != len(addresses) || len(set.Steerings) != 1 || len(set.Zones[0].Names) != names {
			t.Fatalf("%d targets, %d steerings and %d names of %d addresses and %d names",
				len(set.Targets), len(set.Steerings), len(set.Zones[0].Names), len(addresses), names)
		}
	})
}

// A percentage of the members is the least count that is at least that share, and never 0.
func TestMinUpPercentage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.IntRange(1, 200).Draw(t, "members")
		percent := rapid.IntRange(1, 100).Draw(t, "percent")

		l := newLoader("zones.toml", newReader("zones.toml"), LoadOptions{})
		var q zones.Quorum
		l.quorum(problem.Top("pools").Key("p").Key("min_up"), fmt.Sprintf("%d%%", percent), "members", members, &q)
		if l.Len() > 0 {
			t.Fatal(l.Report)
		}
		need := q.Of(members)
		enough := need*100 >= percent*members
		tooMany := (need-1)*100 >= percent*members
		if need < 1 || need > members || !enough || tooMany {
			t.Fatalf("%d%% of %d members is %d", percent, members, need)
		}
	})
}

// Filling in depends on nothing but the values: text without placeholders stays as it is.
func TestTextWithoutPlaceholders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune(`{}[]":, ab1`))).Draw(t, "text")
		l := newLoader("zones.toml", newReader("zones.toml"), LoadOptions{})
		text := l.text(new(check), problem.Top("x"), s, never, nil)
		if got := (&filling{}).fill(text); len(text.names()) == 0 && got != s {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

// Any two ways of filling in a check have different IDs, and the same way the same.
func TestTargetIDsAreUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set targets
		lists := make([][]health.TargetID, 12)
		for i := range lists {
			subject := rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "subject")
			path := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "path")
			set.add(health.Target{
				Check: "web", Subject: subject, Fingerprint: subject + path,
				Spec: &health.HTTP{URL: "http://" + subject + ".example.com/" + path},
			}, fmt.Sprintf("pool%02d", i), &lists[i])
		}
		seen := make(map[health.TargetID]bool)
		for _, target := range set.finish() {
			if seen[target.ID] {
				t.Fatalf("%s is there twice", target.ID)
			}
			seen[target.ID] = true
		}
		for i, list := range lists {
			if len(list) != 1 || !seen[list[0]] {
				t.Fatalf("pool %d has targets %v", i, list)
			}
		}
	})
}
