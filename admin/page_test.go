package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"gslb/admin/api"
	"gslb/health"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// rendered is a page as a browser would read it.
type rendered struct {
	title   string
	text    string            // with every run of spaces as one
	rows    map[string]string // text of each row, by data-row or its first word
	sources []string          // everything that the page loads or runs
	inline  []string          // what the content policy would refuse to run
}

func render(t *testing.T, s *Server, path string) rendered {
	t.Helper()
	root, err := html.Parse(get(t, s, path).Body)
	if err != nil {
		t.Fatal(err)
	}
	page := rendered{rows: make(map[string]string)}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "title":
			page.title = textOf(n)
		case "body":
			page.text = textOf(n)
		case "tr": // of tables without data-row
			if fields := strings.Fields(textOf(n)); len(fields) > 0 {
				page.rows[fields[0]] = textOf(n)
			}
		case "style":
			page.inline = append(page.inline, "style")
		case "script":
			if n.FirstChild != nil {
				page.inline = append(page.inline, "script")
			}
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "data-row":
				page.rows[a.Val] = textOf(n)
			case a.Key == "src", a.Key == "href" && n.Data == "link", a.Key == "action":
				page.sources = append(page.sources, a.Val)
			case a.Key == "style", strings.HasPrefix(a.Key, "on"):
				page.inline = append(page.inline, n.Data+" "+a.Key)
			}
		}
	}
	return page
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func wantText(t *testing.T, where, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", where, want, text)
		}
	}
}

func TestPageTellsWhatAndWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, events := failedOver(time.Now())
		s, _ := w.server()
		record(s, events)
		page := render(t, s, "/")

		if want := "▲ ns1.example.net: 1 pool is down"; page.title != want {
			t.Errorf("title %q, want %q", page.title, want)
		}
		wantText(t, "the page", page.text,
			"1 name is not answered with the preferred pool",
			"1 of 2 names as preferred",
			"2000-01-01 00:00:00 UTC",
			"zones.toml", "0123456789ab", "none since the start",
			"app.gslb.example.com: nyc → ams 198.51.100.10",
			"table@us-east-1 up for 1 h 0 min → down no answer within 2s",
		)
		wantText(t, "the row of the name", page.rows["app.gslb.example.com."],
			"ams eu-west-1 not preferred", "198.51.100.10", "TTL 5 s",
			"down nyc 2 of 2 members up, 1 needed: table@us-east-1 is down: no answer within 2s",
			"up ams answered")
		wantText(t, "the row of the pool", page.rows["nyc"], "us-east-1", "down", "up 203.0.113.10", "up 2001:db8::10")
		wantText(t, "the row of the pool", page.rows["ams"], "up 0 ms turning")
		wantText(t, "the row of the target", page.rows["table@us-east-1"],
			"dynamodb", "down for 1 min 30 s", "1 s old", "fail timeout", "no answer within 2s", "took 12 ms")
	})
}

func TestPageIsLoud(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(w *world, now time.Time)
		title   string
		want    []string
	}{
		{"all is well", func(w *world, now time.Time) { w.publish(now) },
			"ns1.example.net: all is well", []string{"All is well: every name is answered with its preferred pool"}},
		{"nothing is published", func(*world, time.Time) {},
			"✖ ns1.example.net: Not ready: waiting for the first answers to be published", []string{"none is live yet"}},
		{"verdicts are missing", func(w *world, now time.Time) {
			w.publish(now)
			w.waiting = []string{"waiting for the first verdict of web@203.0.113.10"}
		}, "▲ ns1.example.net: Not ready: waiting for the first verdict of web@203.0.113.10", nil},
		{"the reload failed", func(w *world, now time.Time) {
			w.publish(now)
			w.reload = ConfigStatus{At: now.Add(-time.Minute), Failures: 2,
				Err: errors.Join(errors.New("pools.nyc.min_up: 3 of 2"), errors.New("zones: none"))}
		}, "✖ ns1.example.net: The last reload of the configuration failed: pools.nyc.min_up: 3 of 2 (more under Configuration)",
			[]string{"failed 1999-12-31 23:59:00 UTC, 1 min 0 s ago; 0123456789ab, loaded 1999-12-31 23:00:00 UTC, goes on serving (2 failed since the start)", "zones: none"}},
		{"no region is left", func(w *world, now time.Time) {
			w.fail("table@us-east-1", now, "timeout", "")
			w.fail("table@eu-west-1", now, "timeout", "")
			w.publish(now)
		}, "✖ ns1.example.net: 2 names are answered as if all were up: no pool is left", []string{"2 pools are down", "assume_up"}},
		{"a verdict is stale", func(w *world, now time.Time) {
			r := w.report("web@203.0.113.10")
			r.Judged, r.Probed = now.Add(-time.Hour), now.Add(-time.Hour)
			w.publish(now)
		}, "✖ ns1.example.net: 1 target has no fresh verdict: the status is a guess",
			[]string{"1 h 0 min old stale expected within 17 s"}},
		{"a probe cannot judge", func(w *world, now time.Time) {
			w.report("table@us-east-1").Last = health.Result{Reason: "credentials", Detail: "the token has expired"}
			w.publish(now)
		}, "▲ ns1.example.net: 1 target could not be judged: see the reason of its last probe",
			[]string{"indeterminate credentials", "the token has expired"}},
		{"a target fails, and is not down yet", func(w *world, now time.Time) {
			r := w.report("table@us-east-1")
			r.Last = health.Result{Verdict: health.Fail, Reason: "timeout"}
			r.State.Turning = true
			w.publish(now)
		}, "▲ ns1.example.net: 1 target has failed its last probe without being down", nil},
		{"a target has no verdict", func(w *world, now time.Time) {
			w.report("web@203.0.113.10").State = health.State{}
			w.publish(now)
		}, "▲ ns1.example.net: 1 target has no verdict yet", nil},
		{"the server has an id", func(w *world, now time.Time) {
			w.set.Server.ID = "ns1.fra"
			w.publish(now)
		}, "ns1.fra on ns1.example.net: all is well", nil},
		{"an earlier run's verdict, and none of this one", func(w *world, now time.Time) {
			r := w.report("table@us-east-1")
			r.Restored, r.Probed = true, time.Time{}
			w.publish(now)
		}, "ns1.example.net: all is well", []string{"from an earlier run", "none has ended yet"}},
		{"a certificate that must be renewed, and a slow probe", func(w *world, now time.Time) {
			r := w.report("web@198.51.100.10")
			r.Expires, r.State.Expiring = now.Add(100*time.Hour), now.Add(100*time.Hour)
			r.Last.Notes, r.Slow = &health.Notes{Slow: true}, 7
			r.Took, r.Target.Slow.After = 1234567*time.Microsecond, time.Second
			w.publish(now)
		}, "▲ ns1.example.net: The certificate of 1 target must be renewed: the first, of web@198.51.100.10, ends at 2000-01-05 04:00:00 UTC", []string{"slow expiring", "1 target is slow: the slowest, web@198.51.100.10, took 1.235s at the last probe, more than 1s", "7 were slow", "certificate valid until"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(time.Now())
				tt.prepare(w, time.Now())
				s, _ := w.server()
				page := render(t, s, "/")
				if page.title != tt.title {
					t.Errorf("title %q, want %q", page.title, tt.title)
				}
				wantText(t, "the page", page.text, tt.want...)
			})
		})
	}
}

// TestPageOfStaleVerdicts: nothing that rests on a stale verdict looks well, up to the name
// that is answered by it.
func TestPageOfStaleVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(time.Now())
		r := w.report("web@198.51.100.10")
		r.Judged, r.Probed = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
		w.publish(time.Now())
		s, _ := w.server()
		page := render(t, s, "/")
		wantText(t, "the page", page.text, "2 of 2 pools up, 1 stale", "5 of 5 targets up, 1 stale")
		wantText(t, "the row of the pool", page.rows["ams"], "eu-west-1 up 0 ms stale", "up 198.51.100.10 stale")
		wantText(t, "the row of the name", page.rows["www.gslb.example.com."], "ams eu-west-1 stale")
		for _, row := range []string{"nyc", "app.gslb.example.com.", "web@203.0.113.10"} {
			if strings.Contains(page.rows[row], "stale") {
				t.Errorf("the row of %s says stale: %s", row, page.rows[row])
			}
		}
	})
}

// TestPageTellsWhatChanged: an event says what is different, also where the pool is not.
func TestPageTellsWhatChanged(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.publish(now)
	before := *w.table.Decisions()[0]
	tests := []struct {
		name   string
		change func(from, to *steer.Decision)
		want   string
	}{
		{"another pool", func(_, to *steer.Decision) { to.Shares = share(w.set.Pools[ams], "198.51.100.10") },
			"nyc → ams 198.51.100.10"},
		{"the first answer", func(from, _ *steer.Decision) { *from = steer.Decision{} },
			"first answered with nyc 203.0.113.10 2001:db8::10"},
		{"the first answer with all down", func(from, to *steer.Decision) { *from, to.Mode = steer.Decision{}, steer.AssumeUp },
			"first answered with nyc assume_up 203.0.113.10"},
		{"a member less", func(_, to *steer.Decision) { to.Shares = share(w.set.Pools[nyc], "203.0.113.10") },
			"still nyc, without 2001:db8::10 , now 203.0.113.10"},
		{"a member more", func(from, _ *steer.Decision) { from.Shares = share(w.set.Pools[nyc], "203.0.113.10") },
			"still nyc, with 2001:db8::10 , now 203.0.113.10 2001:db8::10"},
		{"another mode", func(_, to *steer.Decision) { to.Mode = steer.AssumeUp },
			"still nyc, normal → assume_up, now assume_up 203.0.113.10"},
		{"no pool", func(_, to *steer.Decision) { to.Mode, to.Shares = steer.ServFail, nil },
			"nyc → no pool servfail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, to := before, before
			tt.change(&from, &to)
			s, _ := w.server()
			record(s, []publish.Event{{At: now, Answer: &publish.AnswerChange{From: from, To: to, Names: w.set.Zones[0].Names[:1]}}})
			wantText(t, "the page", render(t, s, "/").text, "app.gslb.example.com: "+tt.want)
		})
	}
}

// share is a pool that is answered with these addresses.
func share(pool *zones.Pool, texts ...string) []steer.Share {
	return []steer.Share{{Pool: pool, Weight: 1, Addresses: transform(texts, netip.MustParseAddr)}}
}

// TestPageBoundsErrors: of a file with 100,000 errors of any length, a person reads the first.
func TestPageBoundsErrors(t *testing.T) {
	w := newWorld(time.Now())
	w.publish(time.Now())
	var errs []error
	for i := range 100_000 {
		errs = append(errs, fmt.Errorf("names.n%d: %s", i, strings.Repeat("é", max(1, 1000-i))))
	}
	w.reload = ConfigStatus{At: time.Now(), Err: errors.Join(errs...)}
	s, _ := w.server()
	for _, path := range []string{"/", "/api/status"} {
		body := get(t, s, path).Body.String()
		if len(body) > 100<<10 || strings.Contains(body, "n101:") {
			t.Errorf("%s has %d bytes", path, len(body))
		}
		wantText(t, path, body, "names.n99:", "and 99899 more, which show when some of these are mended")
	}
}

// TestTextIsBounded: what a backend answers is cut, wherever it is shown.
func TestTextIsBounded(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.fail("table@us-east-1", now, "status", strings.Repeat("A", 60_000))
	w.publish(now)
	s, _ := w.server()
	record(s, []publish.Event{
		{At: now, Target: &health.Transition{Target: w.report("table@us-east-1").Target, From: health.Up, To: health.Down, Cause: w.report("table@us-east-1").Last}},
		{At: now, Pool: &publish.PoolChange{From: health.Up, To: *w.table.Pools()[nyc]}},
		{At: now, Answer: &publish.AnswerChange{To: *w.table.Decisions()[0], Names: w.set.Zones[0].Names[:1]}},
	})
	for _, path := range []string{"/", "/api/status"} {
		if size := get(t, s, path).Body.Len(); size > 40_000 {
			t.Errorf("%s has %d bytes", path, size)
		}
	}
}

// TestPageEscapes: an app that is probed may answer anything, and a visitor ask anything.
func TestPageEscapes(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=//evil.example onerror=alert(1)>`
	now := time.Now()
	w := newWorld(now)
	w.fail("web@203.0.113.10", now, hostile, hostile)
	w.fail("table@us-east-1", now, hostile, hostile)
	w.publish(now)
	w.reload = ConfigStatus{At: now, Err: errors.New(hostile)}
	s, _ := w.server()
	page := render(t, s, "/?q=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")
	page2 := render(t, s, "/")
	for _, p := range []rendered{page, page2} {
		want := []string{"data:,", "/assets/page.css", "/assets/page.js", "/"}
		if !slices.Equal(p.sources, want) {
			t.Errorf("the page loads %q, want %q", p.sources, want)
		}
		if len(p.inline) > 0 {
			t.Errorf("the page has inline %q, which its content policy refuses", p.inline)
		}
	}
	wantText(t, "the page", page2.text, hostile)
}

// TestPageIsBounded: however large the configuration, the page is small, and what is wrong
// is on it.
func TestPageIsBounded(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.addNames(100_000, ams)
	last := w.addName("zz-last", nyc, ams)
	w.fail("table@us-east-1", now, "timeout", "")
	w.publish(now)
	s, _ := w.server()
	size := get(t, s, "/?limit=100000").Body.Len()
	if size > 1<<20 {
		t.Errorf("the page of 100,000 names has %d bytes", size)
	}
	page := render(t, s, "/")
	wantText(t, "the page", page.text, "50 of 100003 names, those with trouble first.")
	if _, ok := page.rows[last.Name]; !ok {
		t.Error("the name that is not answered with its preferred pool is not on the first page")
	}
	if open := strings.Count(get(t, s, "/").Body.String(), "<details id=\"name-"); open != namesPage {
		t.Errorf("%d names", open)
	}
	w.addNames(100, nyc)
	w.publish(now)
	s, _ = w.server()
	if open := strings.Count(get(t, s, "/").Body.String(), "\" open>"); open != openNames+1 {
		t.Errorf("%d rows are open, want %d names and the pool", open, openNames)
	}
	page = render(t, s, "/?q=n054321")
	if _, ok := page.rows["n054321.gslb.example.com."]; !ok {
		t.Error("the filter does not find a name of a later page")
	}
}

// TestPageCutsCells: a pool of 10,000 members is one row of bounded height.
func TestPageCutsCells(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	for i := range 10_000 {
		address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		w.set.Pools[ams].Members = append(w.set.Pools[ams].Members, zones.Member{Address: address})
	}
	w.publish(now)
	s, _ := w.server()
	if size := get(t, s, "/").Body.Len(); size > 64<<10 {
		t.Errorf("the page has %d bytes", size)
	}
	page := render(t, s, "/")
	wantText(t, "the row of the pool", page.rows["ams"], "and 9981 more, see the API")
	wantText(t, "the row on a page of its own", render(t, s, "/?pool=ams").rows["ams"], "10.0.0.48 and 9951 more, see the API")
	wantText(t, "the row of the name", page.rows["www.gslb.example.com."], "10.0.0.48 and 9951 more, see the API")
}

func TestPageOfOneName(t *testing.T) {
	w, _ := failedOver(time.Now())
	s, _ := w.server()
	page := render(t, s, "/?name=www.gslb.example.com")
	if _, ok := page.rows["nyc"]; ok {
		t.Error("the page of www shows a pool that www does not have")
	}
	wantText(t, "the page", page.text, "Only www.gslb.example.com, and what belongs to it.")

	if got := get(t, s, "/?name=gone.example"); got.Code != 404 || !strings.Contains(got.Body.String(), "no name gone.example. is steered here") {
		t.Errorf("an unknown name: status %d", got.Code)
	}
	if got := get(t, s, "/?nmae=app"); got.Code != 400 {
		t.Errorf("an unknown parameter: status %d, want 400", got.Code)
	}
}

// TestPageOfOnePool: it has the pool, the names that have it, and all of its targets, a page at a time.
func TestPageOfOnePool(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	for i := range 250 {
		r := passing(w.set.Targets[2], now)
		r.Target.ID = health.TargetID(fmt.Sprintf("x%03d", i))
		w.set.Pools[ams].Targets = append(w.set.Pools[ams].Targets, r.Target.ID)
		w.reports = append(w.reports, r)
	}
	w.fail("x200", now, "timeout", "")
	w.publish(now)
	s, _ := w.server()
	page := render(t, s, "/")
	wantText(t, "the row of the pool", page.rows["ams"], "x200 http down", "and 232 more targets")
	if len(page.rows["x249"]) > 0 {
		t.Error("the page has every target")
	}
	page = render(t, s, "/?pool=ams")
	wantText(t, "the page", page.text, "Only ams, and what belongs to it.", "1 of 3 next")
	for row, want := range map[string]bool{"nyc": false, "ams": true, "www.gslb.example.com.": true, "x200": true, "x249": false} {
		if got := page.rows[row] != ""; got != want {
			t.Errorf("row %s: %v, want %v", row, got, want)
		}
	}
	page = render(t, s, "/?pool=ams&targets=3")
	wantText(t, "the last page", page.text, "before 3 of 3")
	if page.rows["x249"] == "" || page.rows["x200"] != "" {
		t.Error("the last page has other targets")
	}
	if got := get(t, s, "/?pool=gone"); got.Code != 404 || !strings.Contains(got.Body.String(), "there is no pool gone") {
		t.Errorf("an unknown pool: status %d", got.Code)
	}
}

// TestPagesOfNames: each name is on exactly one page, and links keep what was asked for.
func TestPagesOfNames(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.addNames(121, ams)
	w.publish(now)
	s, _ := w.server()
	seen := make(map[string]int)
	for number := range 4 {
		for row := range render(t, s, fmt.Sprintf("/?q=ams&page=%d", number+1)).rows {
			if strings.HasSuffix(row, ".example.com.") {
				seen[row]++
			}
		}
	}
	// A page behind the last is the last.
	if len(seen) != 123 || seen["app.gslb.example.com."] != 1 || seen["n000119.gslb.example.com."] != 2 {
		t.Errorf("%d names on the pages", len(seen))
	}
	body := get(t, s, "/?q=ams&page=2").Body.String()
	for _, link := range []string{`"/?page=1&amp;q=ams#names"`, `"/?page=3&amp;q=ams#names"`} {
		if !strings.Contains(body, link) {
			t.Errorf("the page has no link %s", link)
		}
	}
}

// TestPartsOfThePage: each part that the page marks can be had alone, and is the same.
func TestPartsOfThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, events := failedOver(time.Now())
		s, _ := w.server()
		record(s, events)
		whole := get(t, s, "/").Body.String()
		for _, part := range parts {
			got := strings.TrimSpace(get(t, s, "/?part="+part).Body.String())
			if !strings.Contains(got, `data-part="`+part+`"`) || !strings.Contains(whole, got) {
				t.Errorf("part %s is not in the page:\n%s", part, got)
			}
		}
		if got := strings.Count(whole, "data-part="); got != len(parts) {
			t.Errorf("the page marks %d parts, want %d", got, len(parts))
		}
		if got := get(t, s, "/?part=nothing"); got.Code != 400 {
			t.Errorf("an unknown part: status %d", got.Code)
		}
	})
}

// TestAssetsLoadNothingElse: the page must work where there is no internet, which is where
// it will be looked at.
func TestAssetsLoadNothingElse(t *testing.T) {
	remote := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]|@import|url\(`)
	err := fs.WalkDir(assets, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(assets, path)
		if found := remote.Find(text); found != nil {
			t.Errorf("%s refers to %q", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDuration(t *testing.T) {
	tests := map[time.Duration]string{
		0:                             "0 ms",
		12 * time.Millisecond:         "12 ms",
		59 * time.Second:              "59 s",
		61 * time.Second:              "1 min 1 s",
		59*time.Minute + time.Second:  "59 min 1 s",
		25*time.Hour + 59*time.Minute: "1 d 1 h",
		23*time.Hour + 59*time.Minute: "23 h 59 min",
	}
	for d, want := range tests {
		if got := duration(d); got != want {
			t.Errorf("duration(%s) is %q, want %q", fmt.Sprint(d), got, want)
		}
	}
}

// TestWarnings: what is valid but probably a mistake is on the page and in the API, as is a certificate
// that must be renewed.
func TestWarnings(t *testing.T) {
	authority := newAuthority(t)
	for left, want := range map[time.Duration]string{
		30 * 24 * time.Hour:        "",
		50*time.Hour + time.Minute: "The certificate of this server expires in 2 d 2 h",
		-time.Hour:                 "The certificate of this server has expired at ",
	} {
		w := newWorld(time.Now())
		w.admin.Certificate = authority.issue(t, "ns1", time.Now().Add(left))
		for i := range 7 {
			w.set.Warnings = append(w.set.Warnings, fmt.Errorf("zones.toml:7: admin.listen: <warning %d>", i))
		}
		w.publish(time.Now())
		s, registry := w.server()
		page := get(t, s, "/").Body.String()
		for _, text := range []string{"Configuration: zones.toml:7: admin.listen: &lt;warning 4&gt;", "Configuration: 2 more warnings, which gslb check lists", want} {
			if !strings.Contains(page, text) {
				t.Errorf("the page does not say %q", text)
			}
		}
		if strings.Contains(page, "warning 5") || want == "" && strings.Contains(page, "The certificate") {
			t.Error("the page says more than it should")
		}
		if got := samples(t, registry)["gslb_admin_certificate_expiry_timestamp_seconds"]; got == 0 {
			t.Error("the metric of the certificate is missing")
		}
	}
}

// sayingOperator has overrides.
type sayingOperator struct {
	Operator
	list api.OverrideList
}

func (o sayingOperator) Overrides() *api.OverrideList { return &o.list }

// What people have said is among what the page says first: what is lost of it, what has no end, the rest.
func TestOverridesOnThePage(t *testing.T) {
	since := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	said := func(o api.Override) api.Override {
		o.By, o.Reason, o.Since = "ada (socket)", "<new disks>", since
		return o
	}
	operator := sayingOperator{list: api.OverrideList{SetAside: "/state/overrides.json.damaged-1", Overrides: []api.Override{
		said(api.Override{Kind: override.Drain, Pool: "nyc", Until: since.Add(time.Hour)}),
		said(api.Override{Kind: override.Force, Pool: "ams", Member: netip.MustParseAddr("198.51.100.10"), Status: health.Down}),
		said(api.Override{Kind: override.Pin, Name: "app.gslb.example.com.", Pool: "ams", Unmatched: true}),
		said(api.Override{Kind: override.Pin, Name: "www.gslb.example.com.", Pool: "ams", Switch: &api.Switch{From: "nyc", Phase: api.SwitchWatches}}),
	}}}
	for range overrideLines {
		operator.list.Overrides = append(operator.list.Overrides, said(api.Override{Kind: override.Drain, Pool: "many"}))
	}
	w := newWorld(time.Now())
	w.publish(time.Now())
	s, _ := w.server()
	s.options.Operator = operator
	var got []string
	for _, p := range s.status(s.observe()).Problems {
		got = append(got, p.Text)
	}
	const by = " by ada (socket) since 2026-01-02 12:00:00 UTC, WITHOUT AN END: <new disks>"
	want := []string{
		"Override: those of an earlier run could not be read, and are not in force. Set again what is still wanted, then remove /state/overrides.json.damaged-1",
		"Override: ams/198.51.100.10 is forced down" + by,
		"Override: app.gslb.example.com is pinned to ams" + by + " (the configuration does not have this, so that it changes nothing)",
		"Override: www.gslb.example.com is moved from nyc to ams (watching)" + by,
	}
	for range overrideLines - len(want) + 1 {
		want = append(want, "Override: many is drained"+by)
	}
	want = append(want, "Override: 4 more, which gslb overrides lists")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if page := get(t, s, "/").Body.String(); !strings.Contains(page, "&lt;new disks&gt;") || strings.Contains(page, "all is well") {
		t.Error("the page does not have them")
	}
}
