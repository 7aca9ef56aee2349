package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gslb/zones"
)

// Identity is who makes a request. Its zero value is somebody who is not known.
type Identity struct {
	// By names them for events and the log: "ada (socket)", "deploy (token)" or "ops (certificate)".
	By string
}

// Known reports whether the server knows who it is. Only those who are known may change anything.
func (i Identity) Known() bool { return i.By != "" }

func known(name, way string) Identity { return Identity{By: fmt.Sprintf("%s (%s)", name, way)} }

// identityKey is of the contexts that have an Identity; socketKey of those of connections to the socket.
type identityKey struct{}
type socketKey struct{}

// WithIdentity returns a context of a request that somebody makes.
func WithIdentity(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// IdentityOf is who makes the request of a context.
func IdentityOf(ctx context.Context) Identity {
	who, _ := ctx.Value(identityKey{}).(Identity)
	return who
}

// Errors of finding out who makes a request.
var (
	errWrongToken = errors.New("the token is not one of this server's")
	errNoPush     = errors.New("this needs a token of the check: Authorization: Bearer TOKEN")
	errNoForm     = errors.New("type a token of this server: nothing was done")
	errNotValid   = errors.New("the client's certificate is not valid here")
)

// waitError is that a client has guessed too often.
type waitError time.Duration

func (e waitError) Error() string {
	return fmt.Sprintf("too many wrong tokens came from this address: it must wait for %d s", e.seconds())
}

// seconds is for how long, rounded up.
func (e waitError) seconds() int { return int((time.Duration(e) + time.Second - 1) / time.Second) }

// identify finds out who makes a request. What is given must be right, even where nothing is needed.
//
//	over the socket                                the user of the process that connected
//	with Authorization, and there are tokens       the token's name; else an error
//	with a client's certificate                    its subject; else an error
//	otherwise                                      nobody who is known
func (s *Server) identify(r *http.Request, settings *zones.Admin) (Identity, error) {
	if conn, ok := r.Context().Value(socketKey{}).(*limitedConn); ok {
		return conn.peer(), nil
	}
	if values := r.Header["Authorization"]; len(values) > 0 && len(settings.Tokens) > 0 {
		return s.bearer(r, tokenOf(r), settings.Tokens)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && settings.ClientCAs != nil {
		return certified(r.TLS.PeerCertificates, settings.ClientCAs, time.Now())
	}
	return Identity{}, nil
}

// tokenOf is the token that a request brings; empty if it has none, or several. Browsers can only bring
// it as a password, which is enough to look at the page and at its forms (see actor), since they send it by
// themselves.
func tokenOf(r *http.Request) string {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return ""
	}
	if _, password, ok := r.BasicAuth(); ok && (r.Method == http.MethodGet || r.Method == http.MethodHead || r.URL.Path == actPath) {
		return password
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 6750, section 2.1; RFC 9110, section 11.1
		return ""
	}
	return strings.TrimSpace(token)
}

// bearer is whose token it is that a request brings.
func (s *Server) bearer(r *http.Request, token string, tokens []zones.Token) (who Identity, err error) {
	err = s.try(r, func() bool {
		name, right := owner(tokens, token)
		if right {
			who = known(name, "token")
		}
		return right
	})
	return who, err
}

// try finds out whether the token of a request is right, unless its client has guessed too often.
func (s *Server) try(r *http.Request, isRight func() bool) error {
	client, _ := netip.ParseAddrPort(r.RemoteAddr)
	right := false
	wait, last := s.guesses.try(clientOf(client.Addr()), time.Now(), func() bool {
		right = isRight()
		return right
	})
	switch {
	case last:
		s.seldom.tokens.Do(func() {
			s.options.Logger.Warn("wrong tokens come to the admin server: the address has to wait before it may try again", "address", client.Addr(), "wait", guessesWithin)
		})
	case wait > 0:
		return waitError(wait)
	}
	if !right {
		return errWrongToken
	}
	return nil
}

// owner finds out whose a token is. The time that it takes does not depend on which token is right, nor
// on how much of it: each is compared whole.
func owner(tokens []zones.Token, token string) (name string, ok bool) {
	sum := sha256.Sum256([]byte(token))
	right := -1
	for i := range tokens {
		right = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], tokens[i].Sum[:]), i, right)
	}
	if right < 0 {
		return "", false
	}
	return tokens[right].Name, true
}

// certified is the owner of a client's certificate. The connection may be older than the configuration,
// and the certificate may have expired since, so that it is verified for every request.
func certified(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) (Identity, error) {
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	leaf := chain[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", errNotValid, err)
	}
	name := leaf.Subject.CommonName
	if name == "" && len(leaf.DNSNames) > 0 {
		name = leaf.DNSNames[0]
	}
	if name == "" {
		name = "serial " + leaf.SerialNumber.Text(16)
	}
	return known(printable(cut(name, 100)), "certificate"), nil
}

// printable replaces what must not be in a line of the log.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// userName is the name of a user of this machine.
func userName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	u, err := user.LookupId(number)
	if err != nil {
		return "uid " + number
	}
	return u.Username
}
