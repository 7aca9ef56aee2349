package probe

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/internal/files"
	"gslb/internal/jsonpath"
)

// maxRedirects is how many redirects are followed, where any are.
const maxRedirects = 10

// How many bytes of a body that does not match, and of the pattern, are shown. Both fit in a
// detail.
const (
	shownBody    = 80
	shownPattern = 100
)

// httpProbe sends one request, or several if redirects are followed, and judges the response.
type httpProbe struct {
	spec    *health.HTTP
	network *network
	first   *request
	secrets hidden        // that the check's file holds
	body    matcher       // used if nothing but a pattern is looked for in the body
	path    jsonpath.Path // of the value that is wanted
	load    jsonpath.Path // of the load
	// page judges the response of a check of another kind; nil: the spec says what is wanted.
	page func(context.Context, *response) health.Result
}

func newHTTP(n *network, spec *health.HTTP) (*httpProbe, error) {
	protocols := []string{protocol}
	if spec.HTTP2 {
		protocols = []string{protocol2}
	}
	config, err := tlsConfig(&spec.TLS, spec.Host, protocols...)
	if err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(spec.Target); spec.Target != "" && err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	p := &httpProbe{spec: spec, network: n}
	auth, err := p.authorization()
	if err != nil {
		return nil, err
	}
	if p.first, err = firstRequest(spec, config, auth); err != nil {
		return nil, err
	}
	if len(spec.Status) == 0 {
		return nil, errors.New("status: the list is empty, so that nothing could pass")
	}
	if !spec.ReadsBody() {
		return p, nil
	}
	if spec.MaxBody <= 0 {
		return nil, fmt.Errorf("max_body: it is %d, so that no body could match; want at least 1", spec.MaxBody)
	}
	if p.first.method == http.MethodHead {
		return nil, errors.New("body: the response to HEAD has no body; use GET")
	}
	if spec.NotPattern == nil && spec.JSON == nil && spec.Load.Source != "json" {
		p.body = matcher{pattern: spec.Pattern, limit: spec.MaxBody, eager: decidedByPrefix(spec.Pattern)}
	}
	if spec.JSON != nil {
		if p.path, err = jsonpath.Parse(spec.JSON.Path); err != nil {
			return nil, fmt.Errorf("json: path: %w", err)
		}
	}
	if spec.Load.Source == "json" {
		if p.load, err = jsonpath.Parse(spec.Load.Name); err != nil {
			return nil, fmt.Errorf("load: path: %w", err)
		}
	}
	return p, nil
}

// newPage makes the probe of a kind that judges the response in its own way.
func newPage(n *network, spec *health.HTTP, page func(context.Context, *response) health.Result) (health.Probe, error) {
	p, err := newHTTP(n, spec)
	if err != nil {
		return nil, err
	}
	p.page = page
	return p.probe, nil
}

// authorization is the Authorization header that the check's file makes; empty: there is no file.
func (p *httpProbe) authorization() (string, error) {
	basic := p.spec.BasicFile != ""
	path := cmp.Or(p.spec.BasicFile, p.spec.BearerFile)
	if path == "" {
		return "", nil
	}
	content, err := files.Read(path, maxSecret)
	if err != nil {
		return "", fmt.Errorf("auth: %w", err)
	}
	secret, err := health.Secret(content, basic)
	if err != nil {
		return "", fmt.Errorf("auth: %s %w", path, err)
	}
	p.secrets.add(secret, shortestSecret)
	if !basic {
		return "Bearer " + secret, nil
	}
	_, password, _ := strings.Cut(secret, ":")
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	p.secrets.add(password, shortestSecret)
	p.secrets.add(encoded, shortestSecret)
	return "Basic " + encoded, nil
}

// maxSecret bounds the size of a file with a secret.
const maxSecret = 64 << 10

func (p *httpProbe) probe(ctx context.Context) health.Result {
	traceOf(ctx).hide(p.secrets.values...)
	result := p.run(ctx)
	result.Detail = p.scrub(result.Detail)
	return result
}

// scrub returns a text without the check's secret, which a server may send back.
func (p *httpProbe) scrub(text string) string {
	if len(p.secrets.values) == 0 {
		return text
	}
	return p.secrets.remove(text)
}

func (p *httpProbe) run(ctx context.Context) health.Result {
	next := p.first
	for range 1 + maxRedirects {
		resp, err := p.send(ctx, next)
		if err != nil {
			return classify(ctx, err)
		}
		location := ""
		if p.spec.FollowRedirects {
			location = redirectOf(resp)
		}
		if location == "" {
			defer resp.close()
			result, body := p.judge(ctx, resp)
			return p.withLoad(p.network.expiring(resp.conn, &p.spec.TLS, result), resp, body)
		}
		resp.close()
		if next, err = next.redirect(p.spec, resp.StatusCode, location); err != nil {
			return fail("redirects", "status %d: %v", resp.StatusCode, err)
		}
		traceOf(ctx).step(Step{Phase: Redirect, Began: time.Now(), Text: fmt.Sprintf("to %s %s at %s", next.method, next.url.Redacted(), next.to.address)}, nil)
	}
	return fail("redirects", "more than %d redirects", maxRedirects)
}

func (p *httpProbe) send(ctx context.Context, r *request) (*response, error) {
	if p.spec.HTTP2 {
		return p.network.exchange2(ctx, r)
	}
	return p.network.exchange(ctx, r.to, r.method, r.bytes)
}

// judge also returns the body, where it was read as a whole.
func (p *httpProbe) judge(ctx context.Context, resp *response) (health.Result, found) {
	if p.page != nil {
		return p.page(ctx, resp), found{}
	}
	if !p.accepts(resp.StatusCode) {
		return p.refuse(resp.StatusCode), found{}
	}
	for _, name := range slices.Sorted(maps.Keys(p.spec.WantHeaders)) {
		if fault := p.missing(resp.Header[name], name, p.spec.WantHeaders[name]); fault != "" {
			return fail("header", "status %d, %s", resp.StatusCode, fault), found{}
		}
	}
	if !p.spec.ReadsBody() {
		return pass(passing(resp.StatusCode)), found{}
	}
	if p.body.pattern == nil {
		body := p.whole(resp)
		if body.err != nil {
			return classify(ctx, body.err), found{}
		}
		return p.judgeBody(resp.StatusCode, body), body
	}
	f := p.body.read(resp)
	switch {
	case f.err != nil:
		return classify(ctx, f.err), found{}
	case !f.matched:
		f.text = []byte(p.scrub(string(f.text)))
		return fail("body", "%s", f.mismatch("body", p.spec.Pattern)), found{}
	}
	return pass(passing(resp.StatusCode) + bodyMatches), found{}
}

// missing says what is wrong with the values of a header, or nothing.
func (p *httpProbe) missing(values []string, name string, want *regexp.Regexp) string {
	switch {
	case slices.ContainsFunc(values, want.MatchString):
		return ""
	case len(values) == 0:
		return fmt.Sprintf("no header %s, want one that matches %q", name, shortened(want))
	}
	value := p.scrub(values[0])
	return fmt.Sprintf("header %s does not match %q: got %q", name, shortened(want), value[:min(len(value), shownBody)])
}

// whole is all of a body that is looked at.
func (p *httpProbe) whole(resp *response) found {
	text, err := io.ReadAll(io.LimitReader(resp, p.spec.MaxBody+1))
	length := min(int64(len(text)), p.spec.MaxBody)
	return found{text: text[:length], cut: length < int64(len(text)), err: err}
}

// judgeBody judges a body that more is wanted of than a pattern.
func (p *httpProbe) judgeBody(status int, body found) health.Result {
	shown := body
	shown.text = []byte(p.scrub(string(body.text)))
	if p.spec.Pattern != nil && !p.spec.Pattern.Match(body.text) {
		return fail("body", "%s", shown.mismatch("body", p.spec.Pattern))
	}
	if not := p.spec.NotPattern; not != nil && not.Match(body.text) {
		match := p.scrub(string(not.Find(body.text)))
		return fail("body", "body matches %q, which it must not: got %q", shortened(not), match[:min(len(match), shownBody)])
	}
	if p.spec.JSON != nil {
		value, err := p.find(p.path, body)
		if err != nil {
			return fail("body", "body: %v: got %q", err, shown.text[:min(len(shown.text), shownBody)])
		}
		if fault := judgeJSON(p.spec.JSON, value); fault != "" {
			return fail("body", "%s", fault)
		}
		return pass(fmt.Sprintf("status %d, %s is as wanted", status, p.path))
	}
	if p.spec.Pattern == nil && p.spec.NotPattern == nil {
		return pass(passing(status))
	}
	return pass(passing(status) + bodyMatches)
}

// find returns a value in a body.
func (p *httpProbe) find(path jsonpath.Path, body found) (any, error) {
	if body.cut {
		return nil, fmt.Errorf("it is longer than max_body, %d bytes, so that it is not read as JSON", p.spec.MaxBody)
	}
	root, err := jsonpath.Read(body.text)
	if err != nil {
		return nil, fmt.Errorf("this is not JSON: %w", err)
	}
	return path.Find(root)
}

// withLoad adds to a pass what the response says of the load.
func (p *httpProbe) withLoad(r health.Result, resp *response, body found) health.Result {
	from := p.spec.Load
	if from.Source != "json" || r.Verdict != health.Pass {
		return withLoad(r, from, resp.Header.Get(from.Name), nil)
	}
	value, err := p.find(p.load, body)
	text, scalar := textOf(value)
	if err == nil && !scalar {
		err = fmt.Errorf("%s is %s", p.load, jsonpath.Kind(value))
	}
	return withLoad(r, from, text, err)
}

func (p *httpProbe) accepts(status int) bool {
	return slices.ContainsFunc(p.spec.Status, func(r health.StatusRange) bool { return r.From <= status && status <= r.To })
}

// refuse is the result of a status that is not accepted.
func (p *httpProbe) refuse(status int) health.Result {
	return fail("status", "status %d, want %s", status, health.StatusText(p.spec.Status))
}

// What is said of responses that pass.
func passing(status int) string { return fmt.Sprintf("status %d", status) }

const bodyMatches = ", body matches"

// mismatch says what was looked for, and the beginning of what was there instead.
func (f found) mismatch(what string, pattern fmt.Stringer) string {
	within := ""
	if f.cut {
		within = fmt.Sprintf(" in its first %d bytes", len(f.text))
	}
	return fmt.Sprintf("%s does not match %q%s: got %q", what, shortened(pattern), within, f.text[:min(len(f.text), shownBody)])
}

// shortened is a pattern as it is shown.
func shortened(pattern fmt.Stringer) string {
	text := pattern.String()
	if len(text) > shownPattern {
		text = text[:shownPattern] + "…"
	}
	return text
}
