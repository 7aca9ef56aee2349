package respond

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/internal/cookie"
	"gslb/internal/wire"
	"gslb/server/dnstest"
	"gslb/server/meter"
)

// twoWays answers the same message the usual way and the odd one.
type twoWays struct {
	usual, odd *Responder
	whole      *Responder // the odd way without a limit
	settings   *Settings
	at         time.Time
}

func newTwoWays(t testing.TB, via Transport) *twoWays {
	t.Helper()
	keyring, err := cookie.NewKeyring(cookie.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	table, settings := dnstest.World(t), Settings{ID: "ns1.nyc", Cookies: keyring}
	w := &twoWays{
		usual:    responderWith(t, via, table, settings),
		odd:      responderWith(t, via, table, settings),
		whole:    responderWith(t, OverTCP, table, settings),
		settings: &settings,
		at:       time.Unix(1_800_000_000, 0),
	}
	w.whole.opt.keepalive = w.odd.opt.keepalive
	return w
}

// from makes a responder answer as if the present message had come from a client.
func (w *twoWays) from(r *Responder) *Responder {
	r.client = client{addr: netip.MustParseAddr("192.0.2.7"), at: w.at}
	return r
}

// check holds what the usual way makes of a message to what the odd one makes of it. It
// returns false if the usual way does not take it.
func (w *twoWays) check(t testing.TB, in []byte) bool {
	t.Helper()
	usual, taken := w.from(w.usual).respondUsual(w.settings, in, w.usual.buf)
	if !taken {
		return false
	}
	odd := w.from(w.odd).respondOdd(w.settings, in, w.odd.buf)
	if bytes.Equal(usual, odd) {
		return true
	}
	got, want := dnstest.Unpack(t, usual), dnstest.Unpack(t, odd)
	if want.Truncated != got.Truncated || len(want.Extra) != len(got.Extra) {
		// The usual way compresses better, as a rule, so that more fits.
		if got.Truncated || len(got.Extra) < len(want.Extra) {
			t.Fatalf("the usual way has cut a reply that fits\n%x", in)
		}
		odd = w.from(w.whole).respondOdd(w.settings, in, w.whole.buf)
		if limit := w.odd.limit(&w.odd.odd.edns); len(odd) <= limit {
			t.Fatalf("the odd way has cut a reply of %d bytes, of which %d may be sent\n%x", len(odd), limit, in)
		}
		want = dnstest.Unpack(t, odd)
		leave(want, len(got.Extra))
	}
	if diff := cmp.Diff(describe(t, odd, want), describe(t, usual, got)); diff != "" {
		t.Errorf("(-odd +usual):\n%s%x", diff, in)
	}
	if limit := w.usual.limit(&w.usual.usual.EDNS); len(usual) > limit {
		t.Errorf("%d bytes, of which %d may be sent\n%x", len(usual), limit, in)
	}
	checkEcho(t, in, usual)
	return true
}

// described is all that two replies may not differ in.
type described struct {
	Header, Question, OPT         string
	Answer, Authority, Additional []string
}

func describe(t testing.TB, packed []byte, m *dns.Msg) described {
	t.Helper()
	d := described{
		Header:    string(packed[:wire.OffQDCount]),
		Answer:    withoutCase(m.Answer),
		Authority: withoutCase(m.Ns),
	}
	end, _, ok := skipName(packed, wire.HeaderSize)
	if !ok {
		t.Fatalf("no question: %x", packed)
	}
	d.Question = string(packed[wire.HeaderSize : end+4])
	extra := m.Extra
	if m.IsEdns0() != nil {
		extra = extra[:len(extra)-1]
		d.OPT = string(lastRecord(t, packed))
	}
	d.Additional = withoutCase(extra)
	return d
}

// leave leaves so many records in the additional section, OPT among them.
func leave(m *dns.Msg, n int) {
	if cut := len(m.Extra) - n; cut > 0 {
		end := len(m.Extra)
		if m.IsEdns0() != nil {
			end--
		}
		m.Extra = slices.Delete(m.Extra, end-cut, end)
	}
}

// lastRecord is the last record of a message as it is.
func lastRecord(t testing.TB, msg []byte) []byte {
	t.Helper()
	count := 0
	for _, at := range []int{wire.OffANCount, wire.OffNSCount, wire.OffARCount} {
		count += int(binary.BigEndian.Uint16(msg[at:]))
	}
	at := wire.HeaderSize
	for range binary.BigEndian.Uint16(msg[wire.OffQDCount:]) {
		end, _, _ := skipName(msg, at)
		at = end + 4
	}
	for i := range count {
		_, end, ok := readRecord(msg, at)
		if !ok {
			t.Fatalf("record %d does not parse: %x", i, msg)
		}
		if i == count-1 {
			return msg[at:end]
		}
		at = end
	}
	return nil
}

// withoutCase writes records without the case of their letters, which compression may take
// from another name.
func withoutCase(rrs []dns.RR) []string {
	var list []string
	for _, rr := range rrs {
		rr.Header().Rdlength = 0
		list = append(list, strings.ToLower(rr.String()))
	}
	return list
}

// withOption gives a query an OPT record with one option as it stands in a message.
func withOption(size uint16, option string) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(size, false)
		if option == "" {
			return
		}
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{
			Code: binary.BigEndian.Uint16([]byte(option)), Data: []byte(option[2:]),
		})
	}
}

// ednsForms are the ways in which the same question may be asked.
var ednsForms = map[string]func(*dns.Msg){
	"no EDNS":        func(*dns.Msg) {},
	"RD, CD and AD":  func(m *dns.Msg) { m.RecursionDesired, m.CheckingDisabled, m.AuthenticatedData = true, true, true },
	"EDNS 512":       withOption(512, ""),
	"EDNS 1232":      withOption(1232, ""),
	"EDNS 4096":      withOption(4096, ""),
	"DO":             func(m *dns.Msg) { m.SetEdns0(1232, true) },
	"NSID":           withOption(1232, "\x00\x03"),
	"cookie":         withOption(1232, "\x00\x0aclientco"),
	"forged cookie":  withOption(1232, "\x00\x0aclientco\x01\x00\x00\x00serverserver"),
	"subnet":         withOption(1232, "\x00\x08\x00\x01\x18\x00\xc0\x00\x02"),
	"keepalive":      withOption(1232, "\x00\x0b"),
	"padding":        withOption(1232, "\x00\x0c\x00\x00\x00\x00"),
	"unknown option": withOption(512, "\xff\xfedata"),
}

// TestTwoWays asks for every name and type in every form over both transports.
func TestTwoWays(t *testing.T) {
	for _, via := range []Transport{OverUDP, OverTCP} {
		t.Run(via.String(), func(t *testing.T) {
			t.Parallel()
			w, taken, all := newTwoWays(t, via), 0, 0
			for _, qname := range dnstest.WorldNames() {
				for _, qtype := range dnstest.WorldTypes {
					for form, change := range ednsForms {
						m := dnstest.Ask(4711, qname, qtype)
						change(m)
						all++
						if w.check(t, dnstest.Pack(t, m)) {
							taken++
						}
						if t.Failed() {
							t.Fatalf("%s %s with %s", qname, dns.Type(qtype), form)
						}
					}
				}
			}
			// The rest are replies over TCP that are longer than the usual way's buffer.
			if taken < all*95/100 || via == OverUDP && taken < all {
				t.Errorf("the usual way took %d messages of %d", taken, all)
			}
		})
	}
}

// FuzzTwoWays is TestTwoWays for any message.
func FuzzTwoWays(f *testing.F) {
	for _, qname := range []string{
		"app.gslb.example.com.", "chain.gslb.example.com.", "x.wild.gslb.example.com.", "x.cut.gslb.example.com.",
		"x.dn.gslb.example.com.", "y.again.gslb.example.com.", "quiet.gslb.example.com.", "nope.gslb.example.com.",
		"many.gslb.example.com.", "example.org.",
	} {
		f.Add(dnstest.Pack(f, dnstest.Ask(1, qname, dns.TypeA)), false)
		f.Add(dnstest.Pack(f, dnstest.Ask(1, qname, dns.TypeANY)), true)
	}
	for _, change := range ednsForms {
		m := dnstest.Ask(1, "many.gslb.example.com.", dns.TypeMX)
		change(m)
		f.Add(dnstest.Pack(f, m), false)
		f.Add(dnstest.Pack(f, m), true)
	}
	ways := map[bool]*twoWays{false: newTwoWays(f, OverUDP), true: newTwoWays(f, OverTCP)}
	f.Fuzz(func(t *testing.T, in []byte, tcp bool) {
		if ignored(in) != meter.Answerable {
			return
		}
		checkParsedAlike(t, in)
		ways[tcp].check(t, in)
	})
}

// checkParsedAlike checks that what is of the usual form is understood as any message is.
func checkParsedAlike(t testing.TB, in []byte) {
	t.Helper()
	var usual wire.Query
	if !usual.Parse(in) {
		return
	}
	var odd query
	odd.parse(in)
	if odd.rcode != dns.RcodeSuccess {
		t.Fatalf("of the usual form, but rcode %d: %x", odd.rcode, in)
	}
	name, ok := wire.ParseName(odd.name)
	if !ok || wire.Compare(&name, &usual.Name) != 0 {
		t.Errorf("name %q, the usual way read %q", odd.name, usual.Name.Bytes())
	}
	type header struct {
		ID          uint16
		RD          bool
		Type, Class uint16
		End         int
		EDNS        wire.EDNS
	}
	if diff := cmp.Diff(
		header{odd.id, odd.rd, odd.qtype, odd.qclass, odd.questionEnd, odd.edns},
		header{usual.ID, usual.RD, usual.Type, usual.Class, usual.End, usual.EDNS},
	); diff != "" {
		t.Errorf("(-odd +usual):\n%s%x", diff, in)
	}
}
