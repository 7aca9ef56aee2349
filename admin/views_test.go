package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/geo/geotest"
	"gslb/health"
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
	return transform(st.Names[0].Views, func(v View) string {
		shares := transform(v.Shares, func(s Share) string { return fmt.Sprintf("%s %.2f", s.Pool, s.Share) })
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

func TestViews(t *testing.T) {
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
			[]string{": normal 1 preferred: nyc 1.00"}, []string{": nyc"}, steer.Normal, 1},
		{"one route, the second pool", name(`pools = ["nyc", "ams"]`), []string{"nyc"},
			[]string{": normal 2: ams 1.00"}, []string{": ams (not preferred)"}, steer.Normal, 0},
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
			"default: normal 1 default preferred: nyc 0.75, ams 0.25",
			"continent:EU: normal 1 continent:EU preferred: ams 1.00",
			"country:US: normal 1 country:US preferred: nyc 0.75, sfo 0.25",
			"subdivision:US-CA: normal 1 subdivision:US-CA preferred: sfo 1.00",
			"asn:64500: normal 1 asn:64500 preferred: ams 1.00",
			"192.0.2.0/24: normal 1 192.0.2.0/24 preferred: lab 1.00",
		}, []string{
			"default: nyc 75 % · ams 25 %",
			"continent:EU, asn:64500: ams",
			"country:US: nyc 75 % · sfo 25 % › then ams",
			"subdivision:US-CA: sfo",
			"192.0.2.0/24: lab",
		}, steer.Normal, 1},
		{"views, and one goes on to a wider one", six, []string{"sfo", "lab"}, []string{
			"country:US: normal 1 country:US: nyc 1.00",
			"subdivision:US-CA: normal 2 country:US: nyc 1.00",
			"192.0.2.0/24: normal 2 country:US: nyc 1.00",
			"default: normal 1 default preferred: nyc 0.75, ams 0.25",
			"continent:EU: normal 1 continent:EU preferred: ams 1.00",
			"asn:64500: normal 1 asn:64500 preferred: ams 1.00",
		}, []string{
			"country:US: nyc · sfo out › then ams (reduced)",
			"subdivision:US-CA: sfo out › country:US nyc › then ams (not preferred)",
			"192.0.2.0/24: lab out › country:US nyc · sfo out › then ams (not preferred)",
			"default: nyc 75 % · ams 25 %",
			"continent:EU, asn:64500: ams",
		}, steer.Normal, 0},
		{"views, none is left", six, []string{"nyc", "sfo", "ams", "lab"}, []string{
			"default: assume_up 1 default: nyc 0.75, ams 0.25",
			"continent:EU: assume_up 1 continent:EU: ams 1.00",
			"country:US: assume_up 1 country:US: nyc 0.75, sfo 0.25",
			"subdivision:US-CA: assume_up 1 subdivision:US-CA: sfo 1.00",
			"asn:64500: assume_up 1 asn:64500: ams 1.00",
			"192.0.2.0/24: assume_up 1 192.0.2.0/24: lab 1.00",
		}, nil, steer.AssumeUp, 0},
		{"clients that no view has are no trouble", name("[zones.\"gslb.example.com\".names.app.views]\n\"country:US\" = [\"nyc\"]"), nil,
			[]string{"country:US: normal 1 country:US preferred: nyc 1.00", ": nodata 0: "},
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
			want := NameCounts{Total: 2, Preferred: 1 + tt.preferred, Modes: map[steer.Mode]int{tt.mode: 1}}
			want.Modes[steer.Normal]++ // the other name
			if diff := cmp.Diff(want, st.Summary.Names); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
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
