package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"gslb/health"
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
	body    matcher // its pattern may be nil
}

func newHTTP(n *network, spec *health.HTTP) (health.Probe, error) {
	config, err := tlsConfig(&spec.TLS, spec.Host, protocol)
	if err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(spec.Target); spec.Target != "" && err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	first, err := firstRequest(spec, config)
	if err != nil {
		return nil, err
	}
	if len(spec.Status) == 0 {
		return nil, errors.New("status: the list is empty, so that nothing could pass")
	}
	p := &httpProbe{spec: spec, network: n, first: first}
	if spec.Pattern != nil {
		if spec.MaxBody <= 0 {
			return nil, fmt.Errorf("max_body: it is %d, so that no body could match; want at least 1", spec.MaxBody)
		}
		if first.method == http.MethodHead {
			return nil, errors.New("body pattern: the response to HEAD has no body; use GET")
		}
		p.body = matcher{pattern: spec.Pattern, limit: spec.MaxBody, eager: decidedByPrefix(spec.Pattern)}
	}
	return p.probe, nil
}

func (p *httpProbe) probe(ctx context.Context) health.Result {
	next := p.first
	for range 1 + maxRedirects {
		resp, err := p.network.exchange(ctx, next.to, next.method, next.bytes)
		if err != nil {
			return classify(ctx, err)
		}
		location := ""
		if p.spec.FollowRedirects {
			location = redirectOf(resp)
		}
		if location == "" {
			defer resp.close()
			return withLoad(p.judge(ctx, resp), p.spec.Load, resp.Header.Get(p.spec.Load.Name), nil)
		}
		resp.close()
		if next, err = next.redirect(p.spec, resp.StatusCode, location); err != nil {
			return fail("redirects", "status %d: %v", resp.StatusCode, err)
		}
		traceOf(ctx).step(Step{Phase: Redirect, Began: time.Now(), Text: fmt.Sprintf("to %s %s at %s", next.method, next.url.Redacted(), next.to.address)}, nil)
	}
	return fail("redirects", "more than %d redirects", maxRedirects)
}

func (p *httpProbe) judge(ctx context.Context, resp *response) health.Result {
	accepted := slices.ContainsFunc(p.spec.Status, func(r health.StatusRange) bool {
		return r.From <= resp.StatusCode && resp.StatusCode <= r.To
	})
	if !accepted {
		return fail("status", "status %d, want %s", resp.StatusCode, health.StatusText(p.spec.Status))
	}
	if p.body.pattern == nil {
		return pass(fmt.Sprintf("status %d", resp.StatusCode))
	}
	f := p.body.read(resp)
	switch {
	case f.err != nil:
		return classify(ctx, f.err)
	case !f.matched:
		return fail("body", "%s", f.mismatch("body", p.spec.Pattern))
	}
	return pass(fmt.Sprintf("status %d, body matches", resp.StatusCode))
}

// mismatch says what was looked for, and the beginning of what was there instead.
func (f found) mismatch(what string, pattern fmt.Stringer) string {
	within := ""
	if f.cut {
		within = fmt.Sprintf(" in its first %d bytes", len(f.text))
	}
	wanted := pattern.String()
	if len(wanted) > shownPattern {
		wanted = wanted[:shownPattern] + "…"
	}
	return fmt.Sprintf("%s does not match %q%s: got %q", what, wanted, within, f.text[:min(len(f.text), shownBody)])
}
