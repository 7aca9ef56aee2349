//go:build integration

package integration

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gslb/integration/parts"
)

// TestCredentialsRefused refuses the credentials in both regions at once: that moves
// nothing, and is loud. What can be judged without credentials still is.
func TestCredentialsRefused(t *testing.T) {
	ctx := begin(t)
	gates := [2]*parts.Gate{parts.GateForTest(t, world.nyc.DynamoDB.Endpoint), parts.GateForTest(t, world.ams.DynamoDB.Endpoint)}
	s := setup{Zone: appZone, DynamoDB: [2]string{gates[0].URL, gates[1].URL}}.serve(t, ctx)
	clients := watch(t, s.Listen, app)
	for _, test := range []struct {
		parts.Refusal
		reason string
	}{
		{parts.Refusal{Code: "AccessDeniedException", Message: "User: arn:aws:iam::123456789012:user/gslb is not authorized to perform: " +
			"dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:123456789012:table/YourAppTable"}, "access_denied"},
		{parts.Refusal{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}, "credentials"},
		{parts.Refusal{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}, "credentials"},
	} {
		t.Run(test.Code, func(t *testing.T) {
			indeterminate := fmt.Sprintf(`gslb_health_probes_total{check="table",kind="dynamodb",reason=%q,verdict="indeterminate"}`, test.reason)
			before, logged := s.metric(t, ctx, indeterminate), s.logged(t)
			for _, gate := range gates {
				gate.Refuse(&test.Refusal)
			}
			s.awaitMetric(t, ctx, indeterminate, before+2*(fall+1)) // more than would turn both regions
			for _, target := range []string{"table@us-east-1", "table@eu-west-1"} {
				s.awaitLines(t, ctx, logged, line{"probe cannot judge; its target keeps its status",
					map[string]string{"level": "WARN", "target": target, "reason": test.reason, "detail": test.Message}})
				s.checkMetrics(t, ctx, map[string]float64{`gslb_health_target_status{check="table",target="` + target + `"}`: 1})
			}
			checkIndeterminate(t, s.status(t, ctx), test.Code)
			checkPage(t, s, "2 targets could not be judged")

			for _, gate := range gates {
				gate.Refuse(nil)
			}
			const passes = `gslb_health_probes_total{check="table",kind="dynamodb",reason="ok",verdict="pass"}`
			s.awaitMetric(t, ctx, passes, s.metric(t, ctx, passes)+4)
		})
	}
	if seen := turns(clients.since(time.Time{})); seen != "nyc" {
		t.Errorf("clients saw %q, want nyc alone", seen)
	}

	for _, gate := range gates {
		gate.Refuse(&parts.Refusal{Code: "AccessDeniedException", Message: "denied"})
	}
	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	clients.await(t, ctx, "ams", time.Now())
	checkTurns(t, clients.end(), "nyc ams")
}

// TestNoCredentials starts a server that has no credentials and nowhere to get any: it
// answers by what it can judge, and is loud about the rest.
func TestNoCredentials(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone, Env: []string{}}.serve(t, ctx)
	clients := watch(t, s.Listen, app)
	clients.await(t, ctx, "nyc", time.Time{})
	s.awaitLines(t, ctx, 0, line{"probe cannot judge; its target keeps its status",
		map[string]string{"level": "WARN", "target": tableTarget, "reason": "credentials", "detail": "AWS_ACCESS_KEY_ID"}})
	s.checkMetrics(t, ctx, map[string]float64{
		`gslb_health_target_status{check="table",target="` + tableTarget + `"}`: -1,
		`gslb_health_target_status{check="web",target="` + webTarget + `"}`:     1,
		`gslb_names{mode="unknown"}`:                                            1,
	})
	checkIndeterminate(t, s.status(t, ctx), "no usable AWS credentials")
	checkPage(t, s, "2 targets could not be judged")

	must(t, world.nyc.Inflict(ctx, parts.LoadBalancerKilled))
	clients.await(t, ctx, "ams", time.Now())
	checkTurns(t, clients.end(), "nyc ams")
}

// checkIndeterminate checks that the API shows, of every table, why it cannot be judged.
func checkIndeterminate(t *testing.T, st status, detail string) {
	t.Helper()
	tables := 0
	for _, target := range st.Targets {
		if target.Check != "table" {
			continue
		}
		tables++
		if target.Last.Verdict != "indeterminate" || !strings.Contains(target.Last.Detail, detail) {
			t.Errorf("/api/status: target %+v, want its last probe indeterminate: %s", target, detail)
		}
	}
	if tables != 2 {
		t.Errorf("/api/status: %d targets are tables, want 2", tables)
	}
}

// checkPage checks that the status page has a text.
func checkPage(t *testing.T, s *server, want string) {
	t.Helper()
	response, err := http.Get(s.URL("/"))
	must(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	must(t, err)
	if !strings.Contains(string(page), want) {
		t.Errorf("the page does not say %q:\n%s", want, page)
	}
}
