package tap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// here is where the workers of the tests listen.
var here = netip.MustParseAddrPort("192.0.2.53:53")

func message(n int, query, reply int) *Message {
	m := &Message{
		Query:  bytes.Repeat([]byte{byte(n)}, query),
		Client: netip.MustParseAddrPort("192.0.2.1:53001"), Server: netip.MustParseAddr("2001:db8::53"),
		Zone:  "example.org.",
		Asked: time.Unix(1_700_000_000, int64(n)), Answered: time.Unix(1_700_000_001, int64(n)),
	}
	if reply >= 0 {
		m.Reply = bytes.Repeat([]byte{byte(n + 1)}, reply)
	}
	return m
}

// say is all that a record has, in text.
func (rec *record) say() string {
	return fmt.Sprintf("%b %s %x %x %d %d %v %d %v %d", rec.flags, rec.zone, rec.query, rec.reply, rec.asked, rec.answered, rec.client, rec.clientPort, rec.server, rec.serverPort)
}

// A queue gives back what was put into it, in order, and refuses only what it has no room for.
func TestRingKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRing(1024, nil)
		var want []string
		for n := range rapid.IntRange(0, 200).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "read") {
				rec, found := r.next()
				if found != (len(want) > 0) {
					rt.Fatalf("found %v, with %d records in the queue", found, len(want))
				}
				if found {
					if diff := cmp.Diff(want[0], rec.say()); diff != "" {
						rt.Fatal(diff)
					}
					want = want[1:]
					r.done(rec)
				}
				continue
			}
			m := message(n, rapid.IntRange(0, 400).Draw(rt, "query"), rapid.IntRange(-1, 400).Draw(rt, "reply"))
			query, response, tcp := rapid.Bool().Draw(rt, "queries"), rapid.Bool().Draw(rt, "responses"), rapid.Bool().Draw(rt, "tcp")
			if rapid.Bool().Draw(rt, "at the usual address") {
				m.Server = netip.Addr{}
			}
			if !r.put(m, query, response, &Recorder{at: here, overTCP: tcp}) {
				if len(want) == 0 && headerSize+len(m.Zone)+len(m.Query)+len(m.Reply) <= 512 {
					rt.Fatal("an empty queue has no room for half of its size")
				}
				continue
			}
			var flags int
			expected := record{asked: m.Asked.UnixNano(), answered: m.Answered.UnixNano(),
				client: m.Client.Addr(), clientPort: m.Client.Port(), server: m.Server, serverPort: here.Port()}
			if !m.Server.IsValid() {
				expected.server = here.Addr()
			}
			if query {
				flags |= isQuery
				expected.query = m.Query
			}
			if response && m.Reply != nil {
				flags |= isResponse
				expected.zone, expected.reply = []byte(m.Zone), m.Reply
			}
			if tcp {
				flags |= isTCP
			}
			expected.flags = flags
			want = append(want, expected.say())
		}
	})
}

// While a worker puts records into its queue, another goroutine takes them out: each is whole and in
// order, and those that are missing were refused.
func TestRingIsSharedByTwo(t *testing.T) {
	const total = 100_000
	r := newRing(8<<10, nil)
	refused := 0
	var writing sync.WaitGroup
	writing.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for n := range total {
			if !r.put(message(n, random.IntN(100), random.IntN(400)-1), true, true, &Recorder{at: here}) {
				refused++
			}
		}
	})
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	found, last := 0, int64(-1)
	for ended := false; ; {
		rec, ok := r.next()
		if !ok {
			if ended {
				break
			}
			select {
			case <-done:
				ended = true
			default:
			}
			continue
		}
		n := rec.asked - 1_700_000_000e9
		for _, b := range rec.query {
			if b != byte(n) {
				t.Fatalf("record %d has a query of another", n)
			}
		}
		if n <= last {
			t.Fatalf("record %d comes after %d", n, last)
		}
		last = n
		found++
		r.done(rec)
	}
	if found+refused != total || found == 0 {
		t.Errorf("%d records were found and %d refused, of %d", found, refused, total)
	}
}

func TestTakingAllocatesNothing(t *testing.T) {
	taps := New(Options{})
	r := taps.Recorder(here, false)
	m := message(1, 40, 100)
	for _, share := range []float64{1, 0.3} {
		taps.Use(Settings{To: Destination{Network: "unix", Address: "none"}, Share: share, Queries: true, Responses: true})
		s := r.Sample()
		if n := testing.AllocsPerRun(10_000, func() { // more than there is room for
			if s.Next() {
				s.Take(m)
			}
		}); n != 0 {
			t.Errorf("a share of %v: %v allocations", share, n)
		}
	}
	if r.full.Load() == 0 {
		t.Error("a queue that nobody reads is never full")
	}
	p := newPacker("ns1", "1")
	rec, _ := r.ring.next()
	out, _ := p.append(nil, &rec)
	if n := testing.AllocsPerRun(100, func() { out, _ = p.append(out[:0], &rec) }); n != 0 {
		t.Errorf("packing a record: %v allocations", n)
	}
}

// The sample has the share of the queries that it should, and no pattern: no distance between two of
// them is preferred.
func TestSampleIsRandom(t *testing.T) {
	const total = 1_000_000
	for _, share := range []float64{1, 0.5, 0.01, 0.0001} {
		taps := New(Options{})
		r := taps.Recorder(here, true)
		taps.Use(Settings{To: Destination{Network: "unix", Address: "none"}, Share: share, Queries: true})
		s, chosen, distances, last := r.Sample(), 0, map[int]bool{}, 0
		for i := range total {
			if s.Next() {
				chosen++
				distances[i-last] = true
				last = i
			}
		}
		// Six standard deviations of the binomial distribution.
		want := share * total
		if d := float64(chosen) - want; d*d > 36*want*(1-share)+1e-9 {
			t.Errorf("a share of %v: %d of %d", share, chosen, total)
		}
		if share == 0.01 && len(distances) < 100 {
			t.Errorf("a share of %v: only %d distances between queries", share, len(distances))
		}
	}
}

func BenchmarkTake(b *testing.B) {
	for _, share := range []float64{1, 0.01} {
		b.Run(fmt.Sprint(share), func(b *testing.B) {
			taps := New(Options{})
			r := taps.Recorder(here, false)
			taps.Use(Settings{To: Destination{Network: "unix", Address: "none"}, Share: share, Queries: true, Responses: true})
			m, s := message(1, 40, 100), r.Sample()
			b.ReportAllocs()
			for b.Loop() {
				if s.Next() {
					s.Take(m)
					if rec, found := r.ring.next(); found {
						r.ring.done(rec)
					}
				}
			}
		})
	}
}

func BenchmarkPack(b *testing.B) {
	r := newRing(1<<10, nil)
	r.put(message(1, 40, 100), true, true, &Recorder{at: here})
	rec, _ := r.next()
	p := newPacker("ns1", "1")
	out := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		out, _ = p.append(out[:0], &rec)
	}
}
