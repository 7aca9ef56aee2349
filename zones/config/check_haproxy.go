package config

import (
	"errors"
	"net/http"
	"strings"

	"gslb/health"
)

// maxServers bounds how many servers of a backend may have to be up.
const maxServers = 100_000

// haproxyCheck reads what is particular to a check of type haproxy.
func (l *loader) haproxyCheck(c *check, raw *rawHAProxy) {
	template := health.HAProxy{
		MinServers: l.within(c.at.Key("min_servers"), raw.MinServers, 1, maxServers),
		Load:       l.feedback(c, &raw.rawLoad, "servers"),
	}
	if raw.Shed != nil {
		l.Add(c.at.Key("shed"), "goes by a load, and how many servers are up is none; remove it: weight_from alone gives the pool its share")
	}
	var backend *text
	if raw.Backend != nil {
		backend = l.text(c, c.at.Key("backend"), *raw.Backend, never, whole(validBackend))
	}
	if raw.URL != nil {
		l.haproxyPage(c, raw, template, backend)
		return
	}
	if raw.Auth != nil {
		l.Add(c.at.Key("auth"), "is for the statistics page, and the check has no url; remove it: the Runtime API knows no passwords")
	}
	link := l.linkByKey(c, &raw.rawLink)
	if backend == nil || raw.Address == nil && raw.Target == nil {
		return
	}
	address := l.address(c, raw.Address)
	c.spec = func(f *filling) health.Spec {
		spec := template
		spec.Address, spec.Link, spec.Backend = f.fill(address), link.fill(f), f.fill(backend)
		return &spec
	}
}

// haproxyPage reads a check of the statistics page.
func (l *loader) haproxyPage(c *check, raw *rawHAProxy, template health.HAProxy, backend *text) {
	if raw.Address != nil {
		l.Add(c.at.Key("address"), "the check has a url as well; expected one of the two")
	}
	page := l.get(c, *raw.URL, &raw.rawLink, raw.Auth, readStatsURL)
	if backend == nil {
		return
	}
	c.spec = func(f *filling) health.Spec {
		spec := template
		spec.Page, spec.Backend = page(f), f.fill(backend)
		return &spec
	}
}

// get reads the keys of a GET request that a kind makes and judges in its own way.
func (l *loader) get(c *check, url string, raw *rawLink, auth *rawAuth, read func(string) (string, error)) func(*filling) *health.HTTP {
	address := l.text(c, c.at.Key("url"), url, inAuthority, read)
	link := l.linkByURL(c, raw, url, false)
	basic, bearer := l.auth(c, auth, &url)
	return func(f *filling) *health.HTTP {
		return &health.HTTP{
			URL: f.fill(address), Method: http.MethodGet, Link: link.fill(f), BasicFile: basic, BearerFile: bearer,
			Status: []health.StatusRange{{From: http.StatusOK, To: http.StatusOK}},
		}
	}
}

// csvOption asks HAProxy's statistics page for CSV. Options stand behind the page's path.
const csvOption = ";csv"

// readStatsURL reads the URL of a statistics page, and asks for CSV.
func readStatsURL(s string) (string, error) {
	s, err := readURL(s)
	if err != nil {
		return "", err
	}
	before, query, found := strings.Cut(s, "?")
	if strings.Contains(before, csvOption) {
		return s, nil
	}
	scheme, rest, _ := strings.Cut(before, "://")
	if !strings.Contains(rest, "/") {
		rest += "/"
	}
	s = scheme + "://" + rest + csvOption
	if found {
		s += "?" + query
	}
	return s, nil
}

// validBackend says what can't be a name in HAProxy's configuration.
func validBackend(s string) error {
	if s == "" {
		return errors.New(`found ""; expected the name of a backend`)
	}
	return nil
}
