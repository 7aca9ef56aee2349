package config

import (
	"errors"
	"net/url"
	"strings"

	"gslb/health"
)

// prometheusCheck reads what is particular to a check of type prometheus.
func (l *loader) prometheusCheck(c *check, raw *rawPrometheus) {
	template := health.Prometheus{
		Min: l.number(c.at.Key("min"), raw.Min),
		Max: l.number(c.at.Key("max"), raw.Max),
		Absent: l.verdict(c.at.Key("absent"), raw.Absent,
			map[string]health.Verdict{"indeterminate": health.Indeterminate, "fail": health.Fail, "pass": health.Pass}),
		Load: l.feedback(c, &raw.rawLoad, "value"),
	}
	if template.Min != nil && template.Max != nil && *template.Min > *template.Max {
		l.Add(c.at.Key("max"), "found %v; expected at least min, %v", *template.Max, *template.Min)
	}
	if raw.ExpiresFail != nil {
		l.Add(c.at.Key("expires_fail"), "Prometheus's certificate says nothing of the app; set expires to be told, or remove this")
	}
	if raw.SlowFails {
		l.Add(c.at.Key("slow_fails"), "a slow Prometheus says nothing of the app; remove it: slow alone shows and counts that")
	}
	if raw.URL == nil || raw.Query == nil {
		return
	}
	query := l.text(c, c.at.Key("query"), *raw.Query, never, whole(validQuery))
	page := l.get(c, *raw.URL, &raw.rawLink, raw.Auth, readBaseURL)
	c.spec = func(f *filling) health.Spec {
		spec := template
		spec.Query, spec.Page = f.fill(query), page(f)
		spec.Page.URL = strings.TrimSuffix(spec.Page.URL, "/") + "/api/v1/query?query=" + url.QueryEscape(spec.Query)
		return &spec
	}
}

// readBaseURL reads the base URL of a Prometheus server.
func readBaseURL(s string) (string, error) {
	final, err := readURL(s)
	if err != nil {
		return "", err
	}
	if strings.Contains(s, "?") {
		return "", errors.New("found a query in the URL; expected the server's base URL, such as \"http://prometheus:9090\"")
	}
	return final, nil
}

// validQuery says what can't be a query.
func validQuery(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New(`found ""; expected a query in PromQL`)
	}
	return nil
}
