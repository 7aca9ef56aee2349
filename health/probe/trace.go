package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"time"
)

// Phase is a part of a probe.
type Phase string

const (
	Lookup      Phase = "lookup"      // of a name's addresses
	Connect     Phase = "connect"     // one attempt to open a connection
	TLS         Phase = "tls"         // the handshake
	Credentials Phase = "credentials" // that a request is signed with
	Request     Phase = "request"     // what was sent
	FirstByte   Phase = "first byte"  // from the end of the request to the first byte of the response
	Response    Phase = "response"    // the header; of TCP, all that was read
	Body        Phase = "body"
	Redirect    Phase = "redirect" // that is followed
	Run         Phase = "run"      // of a program
)

// Step is what a traced probe has done in one phase. It holds no secrets: see [hidden].
type Step struct {
	Phase        Phase
	Began, Ended time.Time
	Text         string   // what it was about, and what came of it, in one line
	Facts        []string // more about it, a line each
	Data         []byte   // what was sent or received; any bytes
	Error        string   // how it failed; empty: it did not
}

// maxTraced is how many bytes of what was received a step has, at most.
const maxTraced = 4 << 10

// WithTrace returns a context for one call of a probe, which then tells every step it takes as soon as it
// is over. Calls of tell do not overlap.
func WithTrace(ctx context.Context, tell func(Step)) context.Context {
	return context.WithValue(ctx, traceKey{}, &trace{tell: tell, tried: map[string]time.Time{}})
}

type traceKey struct{}

// trace follows one call of a probe. A nil trace follows nothing, and each of its methods then does nothing.
// It is safe for concurrent use, since a probe may make two attempts to connect at once.
type trace struct {
	mu     sync.Mutex
	tell   func(Step)
	hidden hidden
	asked  []string             // name servers, since the last lookup ended
	looked time.Time            // when the last lookup began
	tried  map[string]time.Time // when attempts to connect to an address began
}

// branch returns a context for one of several calls that are made at the same time. Its steps are told by the
// same trace, each beginning with the label.
func branch(ctx context.Context, label string) context.Context {
	t := traceOf(ctx)
	if t == nil {
		return ctx
	}
	return WithTrace(ctx, func(s Step) {
		s.Text = label + ": " + s.Text
		t.mu.Lock()
		defer t.mu.Unlock()
		t.tell(s)
	})
}

func traceOf(ctx context.Context) *trace {
	t, _ := ctx.Value(traceKey{}).(*trace)
	return t
}

// step tells a step that ends now, and the error that it ended in.
func (t *trace) step(s Step, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stepLocked(s, err)
}

func (t *trace) stepLocked(s Step, err error) {
	s.Ended = time.Now()
	s.Text = t.hidden.remove(s.Text)
	for i := range s.Facts {
		s.Facts[i] = t.hidden.remove(s.Facts[i])
	}
	if err != nil {
		s.Error = t.hidden.remove(cause(err))
	}
	t.tell(s)
}

// scrub returns a text without the secrets that were sent.
func (t *trace) scrub(text string) string {
	if t == nil {
		return text
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hidden.remove(text)
}

// dialing returns a context whose lookups and attempts to connect are told.
func (t *trace) dialing(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	var name string
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			name, t.looked, t.asked = info.Host, time.Now(), nil
		},
		DNSDone: func(info httptrace.DNSDoneInfo) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if errors.Is(info.Err, context.Canceled) {
				return // the other attempt was first
			}
			t.stepLocked(Step{Phase: Lookup, Began: t.looked, Text: addressesOf(name, info.Addrs), Facts: t.servers()}, info.Err)
		},
		ConnectStart: func(_, address string) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.tried[address] = time.Now()
		},
		ConnectDone: func(_, address string, err error) {
			if err == nil || errors.Is(err, context.Canceled) {
				return // connected tells of the connection that is used
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.stepLocked(Step{Phase: Connect, Began: t.tried[address], Text: address}, err)
		},
	})
}

// addressesOf says what a lookup has found.
func addressesOf(name string, addresses []net.IPAddr) string {
	if len(addresses) == 0 {
		return name
	}
	words := make([]string, len(addresses))
	for i, a := range addresses {
		words[i] = a.String()
	}
	return name + " is " + strings.Join(words, ", ")
}

// servers says who was asked for a name.
func (t *trace) servers() []string {
	if len(t.asked) == 0 {
		return []string{"no name server was asked: this host knows the name (/etc/hosts)"}
	}
	return []string{"asked " + strings.Join(t.asked, ", ")}
}

// hide notes secrets, which no step then shows.
func (t *trace) hide(secrets ...string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range secrets {
		t.hidden.add(s, shortestSecret)
	}
}

// ask notes that a name server is asked.
func (t *trace) ask(server string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.asked, server) {
		t.asked = append(t.asked, server)
	}
}

// connected tells of the connection that is used.
func (t *trace) connected(conn net.Conn, began time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	to := conn.RemoteAddr().String()
	if tried, ok := t.tried[to]; ok {
		began = tried
	}
	t.stepLocked(Step{Phase: Connect, Began: began, Text: fmt.Sprintf("%s, from %s", to, conn.LocalAddr())}, nil)
}

// secured tells of a handshake that package tls has made, or failed to make.
func (t *trace) secured(conn *tls.Conn, config *tls.Config, began time.Time, err error) {
	if t == nil {
		return
	}
	state := conn.ConnectionState()
	s := Step{Phase: TLS, Began: began, Text: "server name " + config.ServerName}
	if err == nil {
		s.Text = fmt.Sprintf("%s, %s, server name %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), config.ServerName)
		if state.NegotiatedProtocol != "" {
			s.Text += ", " + state.NegotiatedProtocol
		}
	}
	chain := state.PeerCertificates
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) {
		chain = refused.UnverifiedCertificates
	}
	s.Facts = certificateFacts(chain, time.Now())
	switch {
	case len(chain) == 0:
	case config.InsecureSkipVerify:
		s.Facts = append(s.Facts, "not verified, as the check wants (skip_verify)")
	case err == nil:
		s.Facts = append(s.Facts, "verified, by a chain of "+fmt.Sprint(len(state.VerifiedChains[0])))
	}
	t.step(s, err)
}

// certificateFacts says whose a server's certificate is, who issued it, and until when it is valid.
func certificateFacts(chain []*x509.Certificate, now time.Time) []string {
	if len(chain) == 0 {
		return nil
	}
	leaf := chain[0]
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	of := strings.Join(names, ", ")
	if of == "" {
		of = fmt.Sprintf("%q, without a name or address that counts", leaf.Subject)
	}
	var validity string
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		validity = "not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339)
	case left < 0:
		validity = fmt.Sprintf("expired at %s, %s ago", leaf.NotAfter.UTC().Format(time.RFC3339), roughly(-left))
	default:
		validity = fmt.Sprintf("valid until %s, %s more", leaf.NotAfter.UTC().Format(time.RFC3339), roughly(left))
	}
	return []string{
		"certificate of " + of,
		fmt.Sprintf("issued by %q, one of %d sent", leaf.Issuer, len(chain)),
		validity,
	}
}

// roughly is a time in days or, if it is less than two, in hours and minutes.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%d days", d/day)
}

// sent tells what was sent. The next byte that is received is the first of the answer.
func (t *trace) sent(data []byte, began time.Time, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	shown := t.hidden.request(data)
	t.mu.Unlock()
	t.step(Step{Phase: Request, Began: began, Text: fmt.Sprintf("%d bytes", len(data)), Data: shown}, err)
}

// tap lets the trace see what is received.
type tap struct {
	trace *trace
	from  io.Reader
	begun time.Time // when the first byte was waited for
	first time.Time // when it came
	got   []byte
	whole bool // no more is of interest
}

// tap returns a reader of the same, and nil where nothing is traced.
func (t *trace) tap(from io.Reader) *tap {
	if t == nil {
		return nil
	}
	return &tap{trace: t, from: from, begun: time.Now()}
}

// reader is the tap or, without one, what it would have read.
func (p *tap) reader(from io.Reader) io.Reader {
	if p == nil {
		return from
	}
	return p
}

func (p *tap) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	if n > 0 && p.first.IsZero() {
		p.first = time.Now()
		p.trace.step(Step{Phase: FirstByte, Began: p.begun}, nil)
	}
	if !p.whole {
		p.got = append(p.got, b[:min(n, maxHeader-len(p.got))]...)
	}
	return n, err
}

// header tells of a response's header, or of what came in its place. Of what was read, the last bytes
// are of the body.
func (p *tap) header(body int, err error) {
	if p == nil {
		return
	}
	p.whole = true
	began := p.first
	if began.IsZero() {
		began = p.begun
	}
	p.trace.mu.Lock()
	shown := p.trace.hidden.response(p.got[:max(0, len(p.got)-body)])
	p.trace.mu.Unlock()
	p.trace.step(Step{Phase: Response, Began: began, Data: shown, Text: fmt.Sprintf("%d bytes of header", len(p.got)-body)}, err)
}

// read tells all that was received of something that has no header.
func (p *tap) read(err error) {
	if p != nil {
		p.trace.received(Response, p.begun, p.got, int64(len(p.got)), "", err)
	}
}

// received tells of content: of its bytes, those that are shown, and how many there were.
func (t *trace) received(phase Phase, began time.Time, data []byte, size int64, note string, err error) {
	if t == nil {
		return
	}
	text := fmt.Sprintf("%d bytes", size)
	if int64(len(data)) < size {
		text += fmt.Sprintf(", of which the first %d are shown", len(data))
	}
	shown := bytes.Clone(data[:min(len(data), maxTraced)])
	t.step(Step{Phase: phase, Began: began, Text: text + note, Data: []byte(t.scrub(string(shown)))}, err)
}

// bodyTrace follows the reading of a body.
type bodyTrace struct {
	began time.Time
	data  []byte
	size  int64
	err   error
	ended bool // there is no more
}

func (b *bodyTrace) add(data []byte, err error) {
	b.data = append(b.data, data[:min(len(data), maxTraced-len(b.data))]...)
	b.size += int64(len(data))
	b.ended = errors.Is(err, io.EOF)
	if !b.ended {
		b.err = err
	}
}
