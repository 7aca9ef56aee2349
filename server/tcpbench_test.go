package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/miekg/dns"
)

// BenchmarkTCP is the cost of a connection, client and server together, from many clients at
// a time: with one query, and with a hundred, each after the reply to the one before, or all
// at once.
func BenchmarkTCP(b *testing.B) {
	for _, portable := range []bool{false, true} {
		for _, way := range []struct{ perConn, atOnce int }{{1, 1}, {100, 1}, {100, 100}} {
			b.Run(fmt.Sprintf("portable=%v/%d-a-connection/%d-at-once", portable, way.perConn, way.atOnce), func(b *testing.B) {
				addr := benchTCP(b, portable)
				stream := queries(b, way.atOnce, "www.example.org.", dns.TypeA)
				reply := newTestResponder(b, overTCP).respond(wwwQuery(b, 0), testClient)
				b.SetParallelism(16)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					replies := make([]byte, way.atOnce*(lengthSize+len(reply)))
					for pb.Next() {
						askAll(b, addr, stream, replies, way.perConn/way.atOnce)
					}
				})
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*way.perConn), "ns/query")
			})
		}
	}
}

// askAll sends the same queries a number of times over one connection.
func askAll(b *testing.B, addr string, queries, replies []byte, times int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	for range times {
		if _, err := conn.Write(queries); err != nil {
			b.Error(err)
			return
		}
		if _, err := io.ReadFull(conn, replies); err != nil {
			b.Error(err)
			return
		}
	}
}

// benchTCP runs a server until the benchmark ends.
func benchTCP(b *testing.B, portable bool) (addr string) {
	b.Helper()
	zone := parseZone(b, zoneText)
	s, err := New(Options{
		Listen: addrPorts("127.0.0.1:0"),
		Source: func() Resolver { return zone },
		Limits: Limits{TCPPerClient: 1024},
	})
	if err != nil {
		b.Fatal(err)
	}
	s.tcp.portable = portable
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return s.Addrs()[0].String()
}
