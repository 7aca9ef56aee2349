package records

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"gslb/zones/masterfile"
	"gslb/zones/problem"
)

// written is a record as the test writes it, in a zone example.com.
type written struct {
	owner string // fully qualified
	rtype string
}

// What hides a name is found by the walk in canonical order as it is by looking at everything
// above each name.
func TestHiddenNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := func(what string) string {
			labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "b-", "*"}), 1, 3).Draw(t, what)
			return strings.Join(append(labels, "example.com."), ".")
		}
		var records []written
		text := ""
		for range rapid.IntRange(0, 12).Draw(t, "records") {
			r := written{name("owner"), rapid.SampledFrom([]string{"NS", "DNAME", "CNAME", "A", "TXT", "DS"}).Draw(t, "type")}
			if slices.Contains(records, r) {
				continue // it would be the same record
			}
			data := map[string]string{"A": "192.0.2.1", "TXT": "x", "DS": "1 8 3 00"}[r.rtype]
			if data == "" {
				data = "elsewhere.example.net."
			}
			records = append(records, r)
			text += r.owner + " " + r.rtype + " " + data + "\n"
		}
		inner := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.example.com.", "b.a.example.com.", "*.example.com."}), 0, 2, rapid.ID[string]).Draw(t, "inner")
		steered := name("steered")
		fromFile := rapid.Bool().Draw(t, "from a file")

		apex := wireOf(t, "example.com.")
		at, report := problem.Top("zones").Key("example.com"), new(problem.Report)
		b := new(Builder)
		b.Reset(apex)
		masterfile.NewReader(masterfile.Config{
			Origin: apex,
			Add:    func(r *masterfile.Record) error { return b.Append(r, at) },
			Report: func(_ string, line int, err error) { t.Fatalf("line %d of %s: %v", line, text, err) },
			Limits: masterfile.DefaultLimits(),
		}).Read("", []byte(text))
		key, _ := KeyOf(steered, apex)
		z := &Zone{
			Name: "example.com.", FromFile: fromFile,
			Steered: []SteeredName{{Key: key, Name: steered, Raw: steered}}, SteeredAt: at.Key("names"),
		}
		for _, name := range inner {
			key, _ := KeyOf(name, apex)
			z.Inner = append(z.Inner, InnerZone{Key: key, At: problem.Top("zones").Key(name)})
		}
		slices.SortFunc(z.Inner, func(a, b InnerZone) int { return bytes.Compare(a.Key, b.Key) })
		b.Check(z, report)

		want := hidden(records, inner, steered, fromFile)
		var got []string
		var problems []*problem.Problem
		if errs := report.Errors("zones.toml", nowhere); errs != nil {
			problems = errs.Problems
		}
		for _, p := range problems {
			for reason, mark := range reasons {
				if strings.Contains(p.Message, mark) {
					where := "steered"
					if p.Source.Line != 0 {
						where = fmt.Sprint(p.Source.Line)
					}
					got = append(got, where+" "+reason)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s(-want +got)\n%s%v", text, diff, problems)
		}
	})
}

// nowhere is the position of everything in a test without a text.
func nowhere(spots []problem.Spot) []problem.Position { return make([]problem.Position, len(spots)) }

// reasons is what messages say, by what the test calls it.
var reasons = map[string]string{
	"below a DNAME": "lies below the DNAME",
	"cut off":       "since it lies in",
	"DNAME above":   "since the DNAME of",
	"second source": "is steered, but has",
	"not alone":     "expected it alone",
}

// hidden says by definition what is wrong with each record, by its line, and with the steered name.
func hidden(records []written, inner []string, steered string, fromFile bool) (want []string) {
	has := func(owner string, types ...string) bool {
		return slices.ContainsFunc(records, func(r written) bool { return r.owner == owner && slices.Contains(types, r.rtype) })
	}
	above := func(name string, self bool, hides func(string) bool) (top string) {
		labels := dns.SplitDomainName(name)
		for i := 0; i < len(labels)-2; i++ {
			if a := dns.Fqdn(strings.Join(labels[i:], ".")); hides(a) && (self || i > 0) {
				top = a
			}
		}
		return top
	}
	cut := func(name string) string {
		return above(name, true, func(a string) bool { return has(a, "NS") || slices.Contains(inner, a) })
	}
	dname := func(name string) bool {
		return above(name, false, func(a string) bool { return has(a, "DNAME") }) != ""
	}
	for i, r := range records {
		if dname(r.owner) {
			want = append(want, fmt.Sprint(i+1, " below a DNAME"))
		}
		c := cut(r.owner)
		delegates := c == r.owner && (r.rtype == "NS" || r.rtype == "DS")
		if c != "" && !delegates && !fromFile {
			want = append(want, fmt.Sprint(i+1, " cut off"))
		}
		if r.rtype == "CNAME" && has(r.owner, "NS", "DNAME", "A", "TXT", "DS") {
			want = append(want, fmt.Sprint(i+1, " not alone"))
		}
	}
	if cut(steered) != "" {
		want = append(want, "steered cut off")
	}
	if dname(steered) {
		want = append(want, "steered DNAME above")
	}
	if has(steered, "A", "CNAME") {
		want = append(want, "steered second source")
	}
	slices.Sort(want)
	return want
}

func wireOf(t *rapid.T, name string) []byte {
	buf := make([]byte, 255)
	n, err := dns.PackDomainName(name, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}
