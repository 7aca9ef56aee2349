package operate

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
	"gslb/alias"
	"gslb/health"
	"gslb/override"
	"gslb/steer"
)

// requestOf reads a request as the parameters of a URL.
func requestOf(t *testing.T, text string) *api.ExplainRequest {
	t.Helper()
	query, err := url.ParseQuery(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	r := &api.ExplainRequest{Name: query.Get("name"), Client: query.Get("client"), Type: query.Get("type")}
	for _, s := range query["suppose"] {
		pool, word, _ := strings.Cut(s, "=")
		var status health.Status
		if err := status.UnmarshalText([]byte(word)); err != nil {
			t.Fatal(err)
		}
		if r.Suppose == nil {
			r.Suppose = make(map[string]health.Status)
		}
		r.Suppose[pool] = status
	}
	return r
}

// TestExplain has the whole trace of answers, as the API says it.
func TestExplain(t *testing.T) {
	archives(t, "explain", func(t *testing.T, file func(string) string) string {
		set := parse(t, whole(file("zones.toml")))
		var list []override.Override
		if text := file("overrides"); text != "" {
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				t.Fatal(err)
			}
		}
		e, err := Explain(outcome(set, override.NewWords(list), statuses(t, file("health"))), requestOf(t, file("request")), noon)
		if err != nil {
			var problem *api.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("not a problem: %v", err)
			}
			return problem.Type + "\n" + problem.Detail + "\n"
		}
		e.Config = "" // the digest of the file
		text, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text) + "\n"
	})
}

// What is explained is what is answered, with every target in every status.
func TestExplanationAgreesWithTheDecision(t *testing.T) {
	set := parse(t, common+twoPools+oneZone)
	for _, nyc := range []health.Status{health.Up, health.Down, health.Unknown} {
		for _, ams := range []health.Status{health.Up, health.Down, health.Unknown} {
			o := outcome(set, nil, map[health.TargetID]health.Status{"web@192.0.2.1": nyc, "web@192.0.2.2": ams})
			e, err := Explain(o, &api.ExplainRequest{Name: "APP.example.com"}, noon)
			if err != nil {
				t.Fatal(err)
			}
			supposed, err := Explain(outcome(set, nil, nil), &api.ExplainRequest{Name: "app.example.com.", Suppose: map[string]health.Status{"nyc": nyc, "ams": ams}}, noon)
			if err != nil {
				t.Fatal(err)
			}
			d := o.DecisionsOf(set.Name("app.example.com."))[0]
			if len(e.Shares) != len(d.Shares) || e.Mode != d.Mode || e.TTL != d.TTL.Seconds() || len(e.Answers) != len(d.Addresses()) {
				t.Errorf("nyc %s, ams %s: explained as %s with %v, decided as %s with %v", nyc, ams, e.Mode, e.Answers, d.Mode, d.Addresses())
			}
			if len(e.Shares) > 0 && e.Shares[0].Pool != d.Shares[0].Pool.Name {
				t.Errorf("nyc %s, ams %s: explained %s, decided %s", nyc, ams, e.Shares[0].Pool, d.PoolName())
			}
			// Of a supposed outcome the past is another: what was answered last stays where it can.
			if nyc == health.Up && (supposed.Mode != e.Mode || supposed.Shares[0].Pool != e.Shares[0].Pool) {
				t.Errorf("nyc %s, ams %s: supposed %s %v, in truth %s %v", nyc, ams, supposed.Mode, supposed.Answers, e.Mode, e.Answers)
			}
		}
	}
}

// With everything up, the preferred pool of every name is answered, that of an alias too.
func TestAllUp(t *testing.T) {
	set := parse(t, common+twoPools+oneZone+`
[pools.cdn]
alias = "lb.example.net"
checks = ["web"]
[zones."example.com".names.cdn]
pools = ["cdn"]
`)
	hosts := alias.NewAddresses(map[string]alias.Host{"lb.example.net.": {Status: alias.Resolved, Addresses: addrs("192.0.2.9", "2001:db8::9")}})
	o := AllUp(set, hosts, time.Now())
	for name, want := range map[string]string{"app": "nyc", "cdn": "cdn"} {
		if d := o.DecisionsOf(set.Name(name + ".example.com."))[0]; d.Mode != steer.Normal || d.PoolName() != want {
			t.Errorf("%s: %s %s, want %s", name, d.Mode, d.PoolName(), want)
		}
	}
}
