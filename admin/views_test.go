package admin

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/geo/geotest"
	"gslb/health"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones/config"
)

// places is a database of where clients are.
const places = `
	203.0.113.0/24   country=US continent=NA at=40.7,-74.0
	203.0.113.128/25 country=US continent=NA subdivision=CA at=37.7,-122.4
	198.51.100.0/24  country=NL continent=EU at=52.4,4.9
	192.0.2.0/24     country=US continent=NA at=40.7,-74.0
	2001:db8:1::/48  asn=64500`

// pools are those that the names of these tests are steered to: one member each, with a check.
const pools = `
[server]
listen = ["127.0.0.1:0"]
geoip = ["City.mmdb"]
[checks.web]
type = "tcp"
address = "{address}:80"
[pools]
nyc = { region = "us-east-1", members = ["203.0.113.10"], checks = ["web"], location = [40.7, -74.0] }
sfo = { region = "us-west-1", members = ["203.0.113.20", "2001:db8::20"], checks = ["web"], location = [37.7, -122.4] }
ams = { region = "eu-west-1", members = ["198.51.100.10"], checks = ["web"], location = [52.4, 4.9] }
lab = { members = ["192.0.2.10"], checks = ["web"] }
aws = { cname = "lb-1.example.net" }
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
[zones."gslb.example.com".names.rest]
pools = ["aws", "nyc", "sfo", "ams", "lab"]
`

// configured is the world of a configuration that has these names, and in which some pools are down.
func configured(t *testing.T, now time.Time, names string, down ...string) *world {
	t.Helper()
	dir := t.TempDir()
	database, err := geotest.Parse("City", places)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "City.mmdb"), database, 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := config.Parse([]byte(pools+names), filepath.Join(dir, "zones.toml"), config.LoadOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{set: set, started: now}
	for _, target := range set.Targets {
		w.reports = append(w.reports, passing(target, now))
	}
	w.turn(now, down...)
	return w
}

// turn makes these pools down and all others up, and publishes.
func (w *world) turn(now time.Time, down ...string) {
	for _, pool := range w.set.Pools {
		for _, member := range pool.Members {
			for _, id := range member.Targets {
				*w.report(id) = passing(w.report(id).Target, now)
				if slices.Contains(down, pool.Name) {
					w.fail(id, now, "timeout", "no answer")
				}
			}
		}
	}
	w.publish(now)
}

// answers is what the API says that the clients of the first name are answered, a line each.
func answers(st Status) []string {
	return transform(st.Names[0].Views, func(v api.View) string {
		shares := transform(v.Shares, func(s api.Share) string { return fmt.Sprintf("%s %.2f", s.Pool, s.Share) })
		line := fmt.Sprintf("%s: %s %d", strings.Join(v.Clients, " "), v.Mode, v.Tier)
		if v.View != "" {
			line += " " + v.View
		}
		if v.Preferred {
			line += " preferred"
		}
		return line + ": " + strings.Join(shares, ", ")
	})
}

// lineTexts is the lines of the first name on the page.
func lineTexts(w *world) []string {
	s, _ := w.server()
	m := s.observe()
	row := m.newNameRow(w.set.Zones[0].Names[0], cellItems, false)
	return transform(row.Lines, func(l line) string {
		var steps []string
		for _, s := range l.Steps {
			text := s.View
			for i, p := range s.Pools {
				switch {
				case i > 0:
					text += " ·"
				case s.Later:
					text += " then"
				}
				text += " " + p.Name
				if p.Part != "" {
					text += " " + p.Part
				}
				if p.Out {
					text += " out"
				}
			}
			steps = append(steps, strings.TrimSpace(text))
		}
		line := strings.Join(l.Clients, ", ") + ": " + strings.Join(steps, " › ")
		if l.NoView {
			line += "no view"
		}
		if l.Off != "" {
			line += " (" + l.Off + ")"
		}
		return line
	})
}

// six is a name with six views.
const six = `
[zones."gslb.example.com".names.cdn]
policy = "weighted"
weights = { nyc = 3, sfo = 1 }
[zones."gslb.example.com".names.cdn.views]
"continent:EU" = ["ams"]
"country:US" = [["nyc", "sfo"], ["ams"]]
"subdivision:US-CA" = ["sfo"]
"asn:64500" = ["ams"]
"192.0.2.0/24" = ["lab"]
default = [["nyc", "ams"]]
`

func TestViews(t *testing.T) {
	name := func(keys string) string { return `[zones."gslb.example.com".names.app]` + "\n" + keys }
	tests := []struct {
		name      string
		names     string
		down      []string
		views     []string // of the API
		page      []string
		mode      steer.Mode
		preferred int
	}{
		{"one route", name(`pools = ["nyc", "ams"]`), nil,
			[]string{": normal 1 preferred: nyc 1.00"}, []string{": nyc › then ams"}, steer.Normal, 1},
		{"one route, the second pool", name(`pools = ["nyc", "ams"]`), []string{"nyc"},
			[]string{": normal 2: ams 1.00"}, []string{": nyc out › ams (not preferred)"}, steer.Normal, 0},
		{"shares", name(`policy = "weighted"` + "\n" + `pools = [["nyc", "sfo"], "ams"]` + "\n" + `weights = { nyc = 3 }`), nil,
			[]string{": normal 1 preferred: nyc 0.75, sfo 0.25"}, []string{": nyc 75 % · sfo 25 % › then ams"}, steer.Normal, 1},
		{"shares, one is down", name(`policy = "weighted"` + "\n" + `pools = [["nyc", "sfo"], "ams"]` + "\n" + `weights = { nyc = 3 }`), []string{"nyc"},
			[]string{": normal 1: sfo 1.00"}, []string{": sfo · nyc out › then ams (reduced)"}, steer.Normal, 0},
		{"shares, the tier is down", name(`policy = "sticky"` + "\n" + `pools = [["nyc", "sfo"], "ams"]`), []string{"nyc", "sfo"},
			[]string{": normal 2: ams 1.00"}, []string{": nyc out · sfo out › ams (not preferred)"}, steer.Normal, 0},
		{"a spare is no loss", name(`policy = "weighted"` + "\n" + `pools = ["nyc", "sfo"]` + "\n" + `weights = { sfo = 0 }`), nil,
			[]string{": normal 1 preferred: nyc 1.00"}, []string{": nyc · sfo out"}, steer.Normal, 1},
		{"all", name(`policy = "all"` + "\n" + `pools = ["nyc", "sfo"]`), nil,
			[]string{": normal 1 preferred: nyc 1.00, sfo 1.00"}, []string{": nyc · sfo"}, steer.Normal, 1},
		{"panic", name(`policy = "weighted"` + "\n" + `pools = ["nyc", "sfo", "ams"]` + "\n" + `panic_below = "50%"`), []string{"nyc", "sfo"},
			[]string{": panic 1: nyc 0.33, sfo 0.33, ams 0.33"}, []string{": nyc 33 % · sfo 33 % · ams 33 %"}, steer.Panic, 0},
		{"none is left", name(`policy = "weighted"` + "\n" + `pools = [["nyc", "sfo"], "ams"]` + "\n" + `when_all_down = "all"`), []string{"nyc", "sfo", "ams"},
			[]string{": all 1: nyc 1.00, sfo 1.00, ams 1.00"}, []string{": nyc · sfo · ams"}, steer.All, 0},
		{"none is left, no address", name(`pools = ["nyc"]` + "\n" + `when_all_down = "nodata"`), []string{"nyc"},
			[]string{": nodata 0: "}, []string{": "}, steer.NoData, 0},
		{"a CNAME", name(`pools = ["aws"]`), nil, []string{": normal 1 preferred: aws 1.00"}, []string{": aws"}, steer.Normal, 1},

		{"views", six, nil, []string{
			"default: normal 1 preferred: nyc 0.75, ams 0.25",
			"continent:EU asn:64500: normal 1 preferred: ams 1.00",
			"country:US: normal 1 preferred: nyc 0.75, sfo 0.25",
			"subdivision:US-CA: normal 1 preferred: sfo 1.00",
			"192.0.2.0/24: normal 1 preferred: lab 1.00",
		}, []string{
			"default: nyc 75 % · ams 25 %",
			"continent:EU, asn:64500: ams",
			"country:US: nyc 75 % · sfo 25 % › then ams",
			"subdivision:US-CA: sfo",
			"192.0.2.0/24: lab",
		}, steer.Normal, 1},
		{"views, and one goes on to a wider one", six, []string{"sfo", "lab"}, []string{
			"country:US: normal 1: nyc 1.00",
			"subdivision:US-CA: normal 2 country:US: nyc 1.00",
			"192.0.2.0/24: normal 2 country:US: nyc 1.00",
			"default: normal 1 preferred: nyc 0.75, ams 0.25",
			"continent:EU asn:64500: normal 1 preferred: ams 1.00",
		}, []string{
			"country:US: nyc · sfo out › then ams (reduced)",
			"subdivision:US-CA: sfo out › country:US nyc › then ams (not preferred)",
			"192.0.2.0/24: lab out › country:US nyc · sfo out › then ams (not preferred)",
			"default: nyc 75 % · ams 25 %",
			"continent:EU, asn:64500: ams",
		}, steer.Normal, 0},
		{"views, none is left", six, []string{"nyc", "sfo", "ams", "lab"}, []string{
			"default: assume_up 1: nyc 0.75, ams 0.25",
			"continent:EU asn:64500: assume_up 1: ams 1.00",
			"country:US: assume_up 1: nyc 0.75, sfo 0.25",
			"subdivision:US-CA: assume_up 1: sfo 1.00",
			"192.0.2.0/24: assume_up 1: lab 1.00",
		}, nil, steer.AssumeUp, 0},
		{"clients that no view has are no trouble", name("[zones.\"gslb.example.com\".names.app.views]\n\"country:US\" = [\"nyc\"]"), nil,
			[]string{"country:US: normal 1 preferred: nyc 1.00", ": nodata 0: "},
			[]string{"country:US: nyc", ": no view"}, steer.Normal, 1},
		{"the nearest", name("policy = \"nearest\"\npools = [\"nyc\", \"sfo\", \"ams\"]"), nil, []string{
			": normal 1 preferred: nyc 1.00", ": normal 1 preferred: sfo 1.00", ": normal 1 preferred: ams 1.00",
		}, []string{": nyc · sfo · ams"}, steer.Normal, 1},
		{"the nearest is down", name("policy = \"nearest\"\npools = [\"nyc\", \"sfo\", \"ams\"]"), []string{"nyc"}, []string{
			": normal 1: sfo 1.00", ": normal 1 preferred: sfo 1.00", ": normal 1 preferred: ams 1.00",
		}, []string{": nyc out · sfo (not preferred)", ": sfo · ams"}, steer.Normal, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := configured(t, time.Now(), tt.names, tt.down...)
			s, _ := w.server()
			st := status(t, s, "/api/status")
			if diff := cmp.Diff(tt.views, answers(st)); diff != "" {
				t.Errorf("API (-want +got):\n%s", diff)
			}
			if tt.page != nil {
				if diff := cmp.Diff(tt.page, lineTexts(w)); diff != "" {
					t.Errorf("page (-want +got):\n%s", diff)
				}
			}
			first, top := st.Names[0].Views[0], st.Names[0]
			if top.Mode != first.Mode || top.TTL != first.TTL || len(top.Reasons) != first.ReasonsTotal || top.ViewsTotal != len(top.Views) {
				t.Errorf("the name says %+v, and its first view %+v", top, first)
			}
			want := api.NameCounts{Total: 2, Preferred: 1 + tt.preferred, Modes: map[steer.Mode]int{tt.mode: 1}}
			want.Modes[steer.Normal]++ // the other name
			if diff := cmp.Diff(want, st.Summary.Names); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPageOfViews: each view has its picture: the pools that its clients are led past, those that they get,
// what is next, and the addresses. What is down is told by a word.
func TestPageOfViews(t *testing.T) {
	const cdn = "cdn.gslb.example.com."
	w := configured(t, time.Now(), six, "sfo", "lab")
	s, _ := w.server()
	wantText(t, "the row", render(t, s, "/").rows[cdn], "cdn.gslb.example.com nyc us-east-1 reduced 5 answers, by view TTL 20 s",
		"country:US nyc answered up 1/1 sfo left out down 0/2 ams next up 1/1 203.0.113.10 TTL 20 s reduced",
		"192.0.2.0/24 lab left out down 0/1 country:US nyc answered up 1/1 sfo left out down 0/2 ams next up 1/1 203.0.113.10 TTL 20 s not preferred",
		"default nyc 75 % answered up 1/1 ams 25 % answered up 1/1 203.0.113.10 198.51.100.10 TTL 20 s",
		"continent:EU, asn:64500 ams answered up 1/1 198.51.100.10 TTL 20 s",
		"down lab 0 of 1 members up, 1 needed: web@192.0.2.10 is down: no answer",
		"up nyc answered 1 of 1 members up, 1 needed", "policy weighted")
	wantText(t, "the row of a CNAME", render(t, s, "/").rows["rest.gslb.example.com."], "aws lb-1.example.net. TTL 20 s")
	wantText(t, "the row of a pool with a CNAME", render(t, s, "/").rows["aws"], "up", "CNAME lb-1.example.net.")
}

// TestLongRoutes: what is answered is on the line, however many pools were passed over before it.
func TestLongRoutes(t *testing.T) {
	var pools strings.Builder
	var down []string
	for i := range 40 {
		fmt.Fprintf(&pools, "[pools.p%02d]\nmembers = [\"198.18.0.%d\"]\nchecks = [\"web\"]\nlocation = [0.0, %d.0]\n", i, i, i)
		down = append(down, fmt.Sprintf("p%02d", i))
	}
	down[30] = "none"
	for policy, want := range map[string]string{
		"failover": "p30 answered up 1/1 p31 next down 0/1 198.18.0.30 TTL 20 s",
		"weighted": "p29 left out down 0/1 p30 answered up 1/1 p31 left out down 0/1 p32 next down 0/1",
		"nearest":  "p29 left out down 0/1 p30 answered up 1/1 and 19 more 198.18.0.30",
		"all":      "p30 answered up 1/1 p00 left out down 0/1",
	} {
		var tiers []string
		for i := 0; i < 40; i += 2 {
			form := `"p%02d", "p%02d"`
			if policy == "weighted" {
				form = "[" + form + "]"
			}
			tiers = append(tiers, fmt.Sprintf(form, i, i+1))
		}
		name := fmt.Sprintf("[zones.\"gslb.example.com\".names.app]\npolicy = %q\npools = [%s]\n", policy, strings.Join(tiers, ", "))
		w := configured(t, time.Now(), pools.String()+name, down...)
		s, _ := w.server()
		wantText(t, policy, render(t, s, "/").rows["app.gslb.example.com."], want)
	}
}

// TestPendingOnThePage: before its first verdict a name is answered with nothing.
func TestPendingOnThePage(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	for i := range w.reports {
		w.reports[i].State.Awaited = true
	}
	w.publish(now)
	s, _ := w.server()
	wantText(t, "the row", render(t, s, "/").rows["app.gslb.example.com."], "no pool pending")
}

func TestFilterOfViews(t *testing.T) {
	w := configured(t, time.Now(), six, "sfo")
	s, _ := w.server()
	for text, want := range map[string][]string{
		"COUNTRY:us":    {"cdn.gslb.example.com."},
		"192.0.2.0/24":  {"cdn.gslb.example.com."},
		"weighted":      {"cdn.gslb.example.com."},
		"reduced":       {"cdn.gslb.example.com."},
		"not preferred": {"cdn.gslb.example.com."},
		"lb-1":          {"rest.gslb.example.com."},
		"192.0.2.10":    {"cdn.gslb.example.com."},
		"country:CA":    {},
		"failover":      {},
	} {
		st := status(t, s, "/api/status?q="+url.QueryEscape(text))
		if diff := cmp.Diff(want, transform(st.Names, func(n api.Name) string { return n.Name })); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	if got := w.firstWithTrouble(t); got != "cdn.gslb.example.com." {
		t.Errorf("the first name on the page is %s", got)
	}
}

// firstWithTrouble is the first name on the page.
func (w *world) firstWithTrouble(t *testing.T) string {
	s, _ := w.server()
	body := get(t, s, "/").Body.String()
	_, rest, _ := strings.Cut(body, `href="/?name=`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// manyViews is so many names, steered alike: each by a hundred views, to a hundred pools, and other
// networks.
func manyViews(names int) string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "[pools.p%03d]\nmembers = [\"198.18.0.%d\"]\nchecks = [\"web\"]\n", i, i)
	}
	for n := range names {
		fmt.Fprintf(&b, "[zones.\"gslb.example.com\".names.n%d.views]\n", n)
		for i := range 2000 {
			fmt.Fprintf(&b, "\"10.%d.%d.0/24\" = [\"p%03d\", \"nyc\"]\n", i/256, i%256, i%100)
		}
		b.WriteString("default = [\"nyc\"]\n")
	}
	return b.String()
}

// TestViewsAreBounded: a name with thousands of views is one row of bounded size, and what is wrong is
// on it.
func TestViewsAreBounded(t *testing.T) {
	now := time.Now()
	w := configured(t, now, manyViews(1), "p042")
	shared := w.set.Zones[0].Names[0]
	for i := range 2000 {
		name := *shared
		name.Name = fmt.Sprintf("z%04d.gslb.example.com.", i)
		w.set.Zones[0].Names = append(w.set.Zones[0].Names, &name)
	}
	w.publish(now)
	s, _ := w.server()
	if size := get(t, s, "/").Body.Len(); size > 2<<20 {
		t.Errorf("the page has %d bytes", size)
	}
	row := render(t, s, "/").rows["n0.gslb.example.com."]
	wantText(t, "the row", row, "10.0.42.0/24, 10.0.142.0/24, 10.0.242.0/24 and 17 more p042 left out down 0/1 nyc answered up 1/1 203.0.113.10 TTL 20 s not preferred", "and 89 more")
	wantText(t, "the row on a page of its own", render(t, s, "/?name=n0.gslb.example.com").rows["n0.gslb.example.com."],
		"10.7.150.0/24 p042 left out down 0/1", "and 51 more, see the API")

	st := status(t, s, "/api/status?name=n0.gslb.example.com")
	name := st.Names[0]
	if len(name.Views) != viewItems || name.ViewsTotal != 101 || name.Views[0].ClientsTotal != 20 || name.Views[0].Shares[0].Pool != "nyc" {
		t.Errorf("%d of %d views, the first %+v", len(name.Views), name.ViewsTotal, name.Views[0])
	}
	if st.Summary.Names.Total != 2002 || st.Summary.Names.Preferred != 1 {
		t.Errorf("counts %+v", st.Summary.Names)
	}
}

// TestEventsOfViews: routes that change alike are one event, which names their views; a shift of weights
// is one too.
func TestEventsOfViews(t *testing.T) {
	now := time.Now()
	w := configured(t, now, six)
	before := w.table
	w.turn(now, "sfo")
	change := func(from, to *answer.Table, views ...string) *publish.AnswerChange {
		c := &publish.AnswerChange{Names: w.set.Zones[0].Names[:1]}
		for _, r := range to.Set().Routes {
			if len(r.Views) > 0 && slices.Contains(views, r.Views[0]) {
				c.Routes = append(c.Routes, r)
			}
		}
		c.From, c.To = *from.Decisions()[c.Routes[0].Index], *to.Decisions()[c.Routes[0].Index]
		return c
	}
	s, _ := w.server()
	record(s, []publish.Event{
		{At: now, Answer: change(before, w.table, "country:US")},
		{At: now, Answer: change(before, w.table, "subdivision:US-CA")},
	})
	weights := change(w.table, before, "default")
	weights.From.Shares = slices.Clone(weights.From.Shares)
	weights.From.Shares[0].Weight = 1
	record(s, []publish.Event{{At: now, Answer: weights}})

	page := render(t, s, "/").text
	wantText(t, "the page", page,
		"cdn.gslb.example.com for country:US: nyc 75 % + sfo 25 % → nyc 203.0.113.10",
		"cdn.gslb.example.com for subdivision:US-CA: sfo → nyc",
		"cdn.gslb.example.com for default: weights changed: nyc+ams → nyc 75 % + ams 25 %")
	events := status(t, s, "/api/status").Events
	if e := events[1]; e.Changed != publish.OtherPool || !slices.Equal(e.Views, []string{"subdivision:US-CA"}) || e.ViewsTotal != 1 ||
		e.Why != "sfo: 0 of 2 members up, 1 needed: web@203.0.113.20 is down: no answer" {
		t.Errorf("event %+v", e)
	}
	if got := status(t, s, "/api/status?q=country:us").Events; len(got) != 1 {
		t.Errorf("%d events of country:US, want 1", len(got))
	}
}

// TestMetricsOfViews: a name is counted once, by its worst view, and for each pool that it is answered
// with.
func TestMetricsOfViews(t *testing.T) {
	w := configured(t, time.Now(), six+`
[zones."gslb.example.com".names.near]
policy = "nearest"
pools = ["nyc", "sfo", "ams"]
[zones."gslb.example.com".names.few.views]
"country:US" = ["nyc"]
`, "sfo", "lab")
	_, registry := w.server()
	const want = `
# HELP gslb_name_mode Constant 1, with the mode of the name's answer, of the clients that are worst off.
# TYPE gslb_name_mode gauge
gslb_name_mode{mode="normal",name="cdn.gslb.example.com.",zone="gslb.example.com."} 1
gslb_name_mode{mode="normal",name="few.gslb.example.com.",zone="gslb.example.com."} 1
gslb_name_mode{mode="normal",name="near.gslb.example.com.",zone="gslb.example.com."} 1
gslb_name_mode{mode="normal",name="rest.gslb.example.com.",zone="gslb.example.com."} 1
# HELP gslb_name_pool Constant 1, with each pool that clients of the name are answered with; empty for none, as with SERVFAIL.
# TYPE gslb_name_pool gauge
gslb_name_pool{name="cdn.gslb.example.com.",pool="ams",zone="gslb.example.com."} 1
gslb_name_pool{name="cdn.gslb.example.com.",pool="nyc",zone="gslb.example.com."} 1
gslb_name_pool{name="few.gslb.example.com.",pool="nyc",zone="gslb.example.com."} 1
gslb_name_pool{name="near.gslb.example.com.",pool="ams",zone="gslb.example.com."} 1
gslb_name_pool{name="near.gslb.example.com.",pool="nyc",zone="gslb.example.com."} 1
gslb_name_pool{name="rest.gslb.example.com.",pool="aws",zone="gslb.example.com."} 1
# HELP gslb_pool_names Names of which clients are answered with the pool; with an empty pool label, names of which clients are answered with none, as with SERVFAIL.
# TYPE gslb_pool_names gauge
gslb_pool_names{pool=""} 0
gslb_pool_names{pool="ams"} 2
gslb_pool_names{pool="aws"} 1
gslb_pool_names{pool="lab"} 0
gslb_pool_names{pool="nyc"} 3
gslb_pool_names{pool="sfo"} 0
# HELP gslb_view_share Part of the clients of a view, from 0 to 1, that the name is answered to with the pool; if the view's clients are not answered alike, that of those who have the largest. For names with views, or whose pools share clients; the view is empty where there are none.
# TYPE gslb_view_share gauge
gslb_view_share{name="cdn.gslb.example.com.",pool="ams",view="asn:64500",zone="gslb.example.com."} 1
gslb_view_share{name="cdn.gslb.example.com.",pool="ams",view="continent:EU",zone="gslb.example.com."} 1
gslb_view_share{name="cdn.gslb.example.com.",pool="ams",view="default",zone="gslb.example.com."} 0.25
gslb_view_share{name="cdn.gslb.example.com.",pool="nyc",view="192.0.2.0/24",zone="gslb.example.com."} 1
gslb_view_share{name="cdn.gslb.example.com.",pool="nyc",view="country:US",zone="gslb.example.com."} 1
gslb_view_share{name="cdn.gslb.example.com.",pool="nyc",view="default",zone="gslb.example.com."} 0.75
gslb_view_share{name="cdn.gslb.example.com.",pool="nyc",view="subdivision:US-CA",zone="gslb.example.com."} 1
gslb_view_share{name="few.gslb.example.com.",pool="nyc",view="country:US",zone="gslb.example.com."} 1
gslb_view_share{name="near.gslb.example.com.",pool="ams",view="",zone="gslb.example.com."} 1
gslb_view_share{name="near.gslb.example.com.",pool="nyc",view="",zone="gslb.example.com."} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "gslb_name_mode", "gslb_name_pool", "gslb_pool_names", "gslb_view_share"); err != nil {
		t.Error(err)
	}
	got := samples(t, registry)
	if got["gslb_geo_maps"] != 3 || got["gslb_geo_ranges"] < 10 || got["gslb_geo_bytes"] < 100 {
		t.Errorf("%v maps, %v ranges, %v bytes", got["gslb_geo_maps"], got["gslb_geo_ranges"], got["gslb_geo_bytes"])
	}

	if got["gslb_geo_database_built_timestamp_seconds"] != 1_700_000_000 {
		t.Errorf("the database was built at %v", got["gslb_geo_database_built_timestamp_seconds"])
	}

	w = configured(t, time.Now(), manyViews(1))
	_, registry = w.server()
	if got := samples(t, registry); got["gslb_view_share"] != 0 || got["gslb_name_mode"] != 0 || got["gslb_names_without_series"] != 2 {
		t.Errorf("2,001 views of 101 pools: %v and %v series, %v names said to be without",
			got["gslb_view_share"], got["gslb_name_mode"], got["gslb_names_without_series"])
	}
}

// passing is a report of a target that is up.
func passing(target health.Target, now time.Time) health.Report {
	return health.Report{
		Target: target,
		State:  health.State{Status: health.Up, Since: now.Add(-10 * time.Minute), Cause: health.Result{Verdict: health.Pass, Reason: "ok"}},
		Last:   health.Result{Verdict: health.Pass, Reason: "ok", Detail: "status 200"},
		Probed: now.Add(-time.Second), Judged: now.Add(-time.Second), Took: 12 * time.Millisecond,
		Probes: [3]uint64{health.Pass: 120, health.Fail: 1},
	}
}
