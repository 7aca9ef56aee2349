package admin

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gslb/admin/api"
)

func TestParseSelection(t *testing.T) {
	tests := []struct {
		query   string
		want    selection
		wantErr string
	}{
		{query: "", want: selection{limit: 1000}},
		{query: "name=App.GSLB.example.com", want: selection{name: "app.gslb.example.com.", limit: 1000}},
		{query: "name=app.gslb.example.com.", want: selection{name: "app.gslb.example.com.", limit: 1000}},
		{query: "name=*.example.com", want: selection{name: "*.example.com.", limit: 1000}},
		{query: "name=", want: selection{limit: 1000}},
		{query: "q=+NYC+", want: selection{text: "nyc", limit: 1000}},
		{query: "limit=1&q=", want: selection{limit: 1}},
		{query: "limit=100000", want: selection{limit: 100000}},
		{query: "limit=0", wantErr: `parameter limit: "0" is not a whole number from 1 to 100000`},
		{query: "limit=100001", wantErr: `parameter limit: "100001" is not a whole number from 1 to 100000`},
		{query: "limit=all", wantErr: `parameter limit: "all" is not a whole number from 1 to 100000`},
		{query: "nmae=app", wantErr: `parameter "nmae" is not known: want name, q or limit`},
		{query: "q=" + strings.Repeat("x", 1005), wantErr: "parameter q: has 1005 bytes, want at most 1004"},
		{query: strings.Repeat("x", 200) + "=1", wantErr: `parameter "` + strings.Repeat("x", 100) + ` …" is not known: want name, q or limit`},
		{query: "name=a&name=b", wantErr: `parameter name: given 2 times, want once`},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			got, err := parseSelection(tt.query)
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Fatalf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(selection{})); diff != "" {
				t.Errorf("selection (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("name=app.gslb.example.com&q=nyc&limit=10&offset=3&state=up&pool=nyc")
	f.Add("name=%00&q=%ff&suppose=a=down&suppose=b&client=2001:db8::/32")
	f.Add("limit=-9223372036854775809&after=18446744073709551616&all=true&preview=1")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, "name", "q", "limit", "offset", "pool", "state", "after", "all", "preview", "suppose", "client", "type")
		if err != nil {
			var p *api.Problem
			if !errors.As(err, &p) || p.Status != http.StatusBadRequest || len(p.Detail) > 1000 {
				t.Errorf("error %v of %d bytes", err, len(err.Error()))
			}
			return
		}
		if q.limit < 1 || q.limit > limitMost || q.offset < 0 {
			t.Errorf("limit %d, offset %d", q.limit, q.offset)
		}
		if q.name != "" && !strings.HasSuffix(q.name, ".") {
			t.Errorf("name %q is not fully qualified", q.name)
		}
		if asked, err := question(q.values); err == nil && len(asked.Suppose) > supposeMost {
			t.Errorf("the question %+v", asked)
		}
	})
}

// TestPick holds pick against sorting everything and cutting it off.
func TestPick(t *testing.T) {
	keep := func(n int) bool { return n%3 != 0 }
	trouble := func(n int) bool { return n%2 == 0 }
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.IntRange(0, 99)).Draw(t, "items")
		sel := selection{limit: rapid.IntRange(1, 20).Draw(t, "limit"), offset: rapid.IntRange(0, 20).Draw(t, "offset")}
		first := rapid.Bool().Draw(t, "trouble first")

		var want, rest []int
		for _, n := range items {
			switch {
			case !keep(n):
			case first && trouble(n):
				want = append(want, n)
			default:
				rest = append(rest, n)
			}
		}
		want = append(want, rest...)
		wantMatched := len(want)
		want = want[min(sel.offset, len(want)):]
		want = want[:min(sel.limit, len(want))]

		var by func(int) bool
		if first {
			by = trouble
		}
		got := pick(slices.Values(items), sel, keep, by)
		if got.Matched != wantMatched || got.Shown != len(want) {
			t.Errorf("matched %d, shown %d, want %d and %d", got.Matched, got.Shown, wantMatched, len(want))
		}
		for range 2 { // the rows may be gone through several times
			if diff := cmp.Diff(append([]int{}, want...), append([]int{}, slices.Collect(got.Rows)...)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		}
		for range got.Rows {
			break // and not to their end
		}
	})
}
