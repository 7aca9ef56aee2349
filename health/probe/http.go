package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/internal/files"
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

// tlsConfig is what a kind of check that speaks TLS does it with. The name that the certificate is verified
// by, if the settings have none, is that of host.
func tlsConfig(settings *health.TLS, host string, protocols ...string) (*tls.Config, error) {
	config := &tls.Config{
		ServerName:         settings.ServerName,
		NextProtos:         protocols,
		InsecureSkipVerify: settings.SkipVerify,
		CipherSuites:       cipherSuites(settings.Compatible),
		MinVersion:         settings.MinVersion,
	}
	if settings.Compatible {
		config.MinVersion = tls.VersionTLS10
	}
	if config.ServerName == "" {
		config.ServerName = (&url.URL{Host: bracketed(host)}).Hostname()
	}
	if settings.RootsFile != "" {
		pem, err := files.Read(settings.RootsFile, maxRoots)
		if err != nil {
			return nil, fmt.Errorf("roots file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("roots file: %s holds no certificate in PEM form", settings.RootsFile)
		}
	}
	return config, nil
}

// cipherSuites are those of TLS 1.2 and before. By default package tls leaves out RSA key exchange,
// since it has no forward secrecy. A probe has no secrets to protect, the server proves its
// identity in the same way, and curl and HAProxy accept it. Weak suites are only for compatible,
// and RC4 is never used.
func cipherSuites(compatible bool) []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	for _, suite := range tls.InsecureCipherSuites() {
		weak := strings.Contains(suite.Name, "_3DES_") || strings.HasSuffix(suite.Name, "_CBC_SHA256")
		if !strings.Contains(suite.Name, "_RC4_") && (compatible || !weak) {
			ids = append(ids, suite.ID)
		}
	}
	return ids
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
			return p.judge(ctx, resp)
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
