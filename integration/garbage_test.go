//go:build integration

package integration

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestGarbage sends what no client should: the server goes on answering everybody else, does
// not grow, and has nothing to say about it.
func TestGarbage(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone}.serve(t, ctx)
	clients := watch(t, s.Listen, app)
	clients.await(t, ctx, "nyc", time.Time{})

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	garbage := newGarbage(t, seed)
	const rounds, packets, conns = 3, 10_000, 500
	var usage [rounds]int64 // resident bytes after each round
	for round := range rounds {
		sendPackets(t, s, garbage, packets)
		for range conns {
			sendFrames(t, s, garbage)
		}
		used, err := s.Usage()
		must(t, err)
		usage[round] = used.Resident
	}
	// The first round fills caches and the heap; the same again must not need more.
	const noise = 16 << 20
	t.Logf("resident: %v bytes", usage)
	if grown := usage[rounds-1] - usage[0]; grown > noise {
		t.Errorf("resident memory grew by %d bytes over %d rounds, want %d at most", grown, rounds-1, noise)
	}

	checkTurns(t, clients.end(), "nyc")
	checkDig(t, ctx, s.Listen, app, "nyc")
	s.checkMetrics(t, ctx, map[string]float64{"gslb_dns_panics_total": 0})
	for _, level := range []string{"WARN", "ERROR"} {
		if log, err := s.Log(); err != nil || strings.Contains(log, `"level":"`+level+`"`) {
			t.Errorf("the log, %v:\n%s", err, log)
		}
	}
}

// garbage makes messages that are random, or nearly right.
type garbage struct {
	*rand.Rand
	queries [][]byte // right ones
}

func newGarbage(t *testing.T, seed uint64) *garbage {
	t.Helper()
	g := &garbage{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, name := range []string{app, "www.gslb.example.com.", "gslb.example.com.", ".", "example.org.", strings.Repeat("a.", 120)} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSOA, dns.TypeANY, dns.TypeAXFR, dns.TypeOPT} {
			query := new(dns.Msg).SetQuestion(name, qtype)
			if g.IntN(2) == 0 {
				query.SetEdns0(uint16(g.Uint32()), g.IntN(2) == 0)
			}
			packed, err := query.Pack()
			must(t, err)
			g.queries = append(g.queries, packed)
		}
	}
	return g
}

// message makes the next.
func (g *garbage) message() []byte {
	if g.IntN(4) == 0 {
		return g.bytes(g.IntN(600))
	}
	msg := append([]byte(nil), g.queries[g.IntN(len(g.queries))]...)
	for range 1 + g.IntN(4) {
		switch g.IntN(4) {
		case 0: // another byte
			msg[g.IntN(len(msg))] = byte(g.Uint32())
		case 1: // another header
			copy(msg, g.bytes(min(12, len(msg))))
		case 2: // less
			msg = msg[:1+g.IntN(len(msg))]
		case 3: // more
			msg = append(msg, g.bytes(g.IntN(64))...)
		}
	}
	return msg
}

func (g *garbage) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

// sendPackets sends many packets and looks at every reply: whatever was asked, a reply is a
// message that can be read, and no query.
func sendPackets(t *testing.T, s *server, g *garbage, n int) {
	t.Helper()
	conn, err := net.Dial("udp", s.Listen.String())
	must(t, err)
	defer conn.Close()
	const perBatch = 64 // after which the server is given the time to reply
	buffer := make([]byte, 1<<16)
	for sent := 0; sent < n; sent += perBatch {
		for range perBatch {
			_, err := conn.Write(g.message())
			must(t, err)
		}
		marker := new(dns.Msg).SetQuestion(app, dns.TypeA)
		packed, err := marker.Pack()
		must(t, err)
		_, err = conn.Write(packed)
		must(t, err)
		for replied := false; !replied; {
			must(t, conn.SetReadDeadline(time.Now().Add(loadWait)))
			size, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("no reply to a good query behind %d packets: %v", sent+perBatch, err)
			}
			var reply dns.Msg
			if err := reply.Unpack(buffer[:size]); err != nil || !reply.Response {
				t.Fatalf("a reply that is none: %v: %x", err, buffer[:size])
			}
			replied = reply.Id == marker.Id && len(reply.Answer) == 1
		}
	}
}

// sendFrames connects and sends garbage, sometimes under a length that is a lie. The server
// may close the connection whenever it has had enough.
func sendFrames(t *testing.T, s *server, g *garbage) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listen.String())
	must(t, err)
	defer conn.Close()
	var frames []byte
	for range g.IntN(8) {
		msg := g.message()
		length := len(msg)
		if g.IntN(4) == 0 {
			length = g.IntN(1 << 16)
		}
		frames = binary.BigEndian.AppendUint16(frames, uint16(length))
		frames = append(frames, msg...)
	}
	_, _ = conn.Write(frames)
}
