package respond

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gslb/internal/cookie"
	"gslb/internal/wire"
	"gslb/server/dnstest"
)

// cookieTester asks one responder with cookies.
type cookieTester struct {
	*Responder
	addr netip.Addr
	now  time.Time
}

func newCookieTester(t *testing.T, secrets ...cookie.Secret) *cookieTester {
	t.Helper()
	keyring, err := cookie.NewKeyring(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return &cookieTester{
		Responder: responderWith(t, OverUDP, dnstest.Zone(t, dnstest.ZoneText), Settings{Cookies: keyring}),
		addr:      dnstest.Client.Addr(),
		now:       time.Unix(1_800_000_000, 0),
	}
}

// ask returns the cookies of the reply to a query that has some, in the option's form.
func (c *cookieTester) ask(t *testing.T, cookies string) string {
	t.Helper()
	out := c.RespondAt(asking(dnstest.OptRecord(1232, dnstest.Option(10, cookies))), c.addr, c.now, c.buf)
	if got, want := dnstest.Summary(dnstest.Unpack(t, out)), "NOERROR aa 1/2/0/1 edns0/1232"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	return c.returned(t, out)
}

// returned is the cookies of a reply; empty: it has none.
func (c *cookieTester) returned(t *testing.T, out []byte) string {
	t.Helper()
	opt := lastRecord(t, out)
	if len(opt) == wire.OPTSize {
		return ""
	}
	if !bytes.HasPrefix(opt[wire.OPTSize:], []byte{0, 10, 0, 24}) || len(opt) != wire.OPTSize+4+24 {
		t.Fatalf("no cookies of 24 bytes: %x", opt)
	}
	return string(opt[wire.OPTSize+4:])
}

const clientCookie = "clientco"

func TestCookies(t *testing.T) {
	c := newCookieTester(t, cookie.Secret{1})
	first := c.ask(t, clientCookie)
	if first[:cookie.ClientSize] != clientCookie {
		t.Errorf("the client's cookie came back as %q", first[:cookie.ClientSize])
	}
	if c.client.proven {
		t.Error("a client cookie alone proves the address")
	}
	forged := []byte(first)
	forged[len(forged)-1] ^= 1
	elsewhere := netip.MustParseAddr("192.0.2.8")

	tests := []struct {
		name    string
		cookies string
		addr    netip.Addr
		after   time.Duration
		proven  bool
		same    bool // the cookies come back as they are
	}{
		{"valid", first, c.addr, 0, true, true},
		{"valid for IPv4 inside IPv6", first, netip.AddrFrom16(c.addr.As16()).Unmap(), 0, true, true},
		{"valid for half an hour", first, c.addr, 30 * time.Minute, true, true},
		{"to be renewed", first, c.addr, 31 * time.Minute, true, false},
		{"expired", first, c.addr, 61 * time.Minute, false, false},
		{"of the future", first, c.addr, -6 * time.Minute, false, false},
		{"forged", string(forged), c.addr, 0, false, false},
		{"of another address", first, elsewhere, 0, false, false},
		{"of another client", "another!" + first[8:], c.addr, 0, false, false},
		{"too short", first[:16], c.addr, 0, false, false},
		{"too long", first + "12345678", c.addr, 0, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := *c
			now.addr, now.now = test.addr, c.now.Add(test.after)
			got := now.ask(t, test.cookies)
			if now.client.proven != test.proven {
				t.Errorf("proven: %t", now.client.proven)
			}
			if (got == test.cookies) != test.same {
				t.Errorf("%q came back as %q", test.cookies, got)
			}
			if again := now.ask(t, got); again != got || !now.client.proven {
				t.Errorf("what came back, %q, does not hold: %q", got, again)
			}
		})
	}
}

// TestCookieLengths refuses what is no cookie (RFC 7873, section 5.2.2).
func TestCookieLengths(t *testing.T) {
	c := newCookieTester(t, cookie.Secret{1})
	for size := range 50 {
		out := c.RespondAt(asking(dnstest.OptRecord(1232, dnstest.Option(10, string(make([]byte, size))))), c.addr, c.now, c.buf)
		want := "NOERROR aa 1/2/0/1 edns0/1232"
		if size != 8 && (size < 16 || size > 40) {
			want = "FORMERR 1/0/0/1 edns0/1232"
		}
		if got := dnstest.Summary(dnstest.Unpack(t, out)); got != want {
			t.Errorf("%d bytes: got %q, want %q", size, got, want)
		}
	}
}

// TestCookiesWithoutQuestion asks for a cookie alone (RFC 7873, section 5.4).
func TestCookiesWithoutQuestion(t *testing.T) {
	c := newCookieTester(t, cookie.Secret{1})
	valid := c.ask(t, clientCookie)
	query := func(opt string) []byte { return dnstest.Message(0, [4]uint16{0, 0, 0, 1}, opt) }
	tests := []struct {
		name    string
		in      []byte
		want    string
		cookies bool
	}{
		{"client cookie", query(dnstest.OptRecord(1232, dnstest.Option(10, clientCookie))), "NOERROR 0/0/0/1 edns0/1232", true},
		{"valid", query(dnstest.OptRecord(1232, dnstest.Option(10, valid))), "NOERROR 0/0/0/1 edns0/1232", true},
		{"not valid", query(dnstest.OptRecord(1232, dnstest.Option(10, clientCookie+"serverserver"))), "BADCOOKIE 0/0/0/1 edns0/1232", true},
		{"malformed", query(dnstest.OptRecord(1232, dnstest.Option(10, "client"))), "FORMERR 0/0/0/1 edns0/1232", false},
		{"no cookie", query(dnstest.OptRecord(1232, dnstest.Option(12, ""))), "FORMERR 0/0/0/1 edns0/1232", false},
		{"version 1", query(dnstest.OptV1), "FORMERR 0/0/0/1 edns0/1232 do", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out := c.RespondAt(test.in, c.addr, c.now, c.buf)
			if got := dnstest.Summary(dnstest.Unpack(t, out)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := c.returned(t, out); (got != "") != test.cookies {
				t.Errorf("cookies %q", got)
			}
		})
	}
	t.Run("cookies are off", func(t *testing.T) {
		out := newTestResponder(t, OverUDP).Respond(query(dnstest.OptRecord(1232, dnstest.Option(10, clientCookie))), dnstest.Client)
		if got, want := dnstest.Summary(dnstest.Unpack(t, out)), "FORMERR 0/0/0/1 edns0/1232"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestSharedSecret has two servers that share a secret, and a third that does not.
func TestSharedSecret(t *testing.T) {
	first, second, third := newCookieTester(t, cookie.Secret{1}), newCookieTester(t, cookie.Secret{1}), newCookieTester(t, cookie.Secret{2})
	cookies := first.ask(t, clientCookie)
	if got := second.ask(t, cookies); got != cookies || !second.client.proven {
		t.Errorf("the other server takes %q for %q", cookies, got)
	}
	if got := third.ask(t, cookies); got == cookies || third.client.proven {
		t.Error("a server with another secret takes it for its own")
	}
}

// TestRotation replaces the secret under the clients' feet: cookies of the one before hold,
// and are replaced; those of the one before that do not.
func TestRotation(t *testing.T) {
	c := newCookieTester(t, cookie.Secret{1})
	cookies := c.ask(t, clientCookie)
	for turn := range byte(2) {
		next := *c.settings.Load()
		next.Cookies = next.Cookies.Rotate(cookie.Secret{2 + turn})
		c.settings.Store(&next)
		got := c.ask(t, cookies)
		if got == cookies {
			t.Errorf("turn %d: a cookie of an old secret is not replaced", turn)
		}
		if want := turn == 0; c.client.proven != want {
			t.Errorf("turn %d: proven %t, want %t", turn, c.client.proven, want)
		}
	}
}

// TestCookiesInEveryReply has cookies in errors too (RFC 7873, section 5.2.3), but for
// another version of EDNS, which may lay them out otherwise.
func TestCookiesInEveryReply(t *testing.T) {
	c := newCookieTester(t, cookie.Secret{1})
	opt := dnstest.OptRecord(1232, dnstest.Option(10, clientCookie))
	for name, in := range map[string][]byte{
		"NXDOMAIN":  dnstest.Message(0, [4]uint16{1, 0, 0, 1}, "\x04nope\x07example\x03org\x00\x00\x01\x00\x01", opt),
		"REFUSED":   dnstest.Message(0, [4]uint16{1, 0, 0, 1}, "\x07example\x00\x00\x01\x00\x01", opt),
		"SERVFAIL":  dnstest.Message(0, [4]uint16{1, 0, 0, 1}, "\x05panic\x07example\x03org\x00\x00\x01\x00\x01", opt),
		"truncated": dnstest.Message(0, [4]uint16{1, 0, 0, 1}, "\x04huge\x07example\x03org\x00\x00\x10\x00\x01", opt),
		"class ANY": dnstest.Message(0, [4]uint16{1, 0, 0, 1}, dnstest.WWWName+"\x00\x01\x00\xff", opt),
		"NOTAUTH":   dnstest.Message(0, [4]uint16{1, 0, 0, 2}, dnstest.WWWA, opt, dnstest.TSIG),
	} {
		out := c.RespondAt(in, c.addr, c.now, c.buf)
		reply := dnstest.Unpack(t, out)
		var got *dns.EDNS0_COOKIE
		for _, o := range reply.IsEdns0().Option {
			if cookies, ok := o.(*dns.EDNS0_COOKIE); ok {
				got = cookies
			}
		}
		if got == nil || len(got.Cookie) != 2*maxCookie {
			t.Errorf("%s: %v has cookies %v", name, reply, got)
		}
	}
}
