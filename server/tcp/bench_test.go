package tcp

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/miekg/dns"

	"gslb/server/dnstest"
)

// BenchmarkTCP is the cost of a connection, client and server together, from many clients at
// a time: with one query, and with a hundred, each after the reply to the one before, or all
// at once.
func BenchmarkTCP(b *testing.B) {
	for _, way := range []struct{ perConn, atOnce int }{{1, 1}, {100, 1}, {100, 100}} {
		b.Run(fmt.Sprintf("%d-a-connection/%d-at-once", way.perConn, way.atOnce), func(b *testing.B) {
			addr := startServer(b, func(l *Limits) { l.PerClient = 1024 }).addr().String()
			stream := queries(b, way.atOnce, "www.example.org.", dns.TypeA)
			reply := newResponder(b)().Respond(stream[lengthSize:len(stream)/way.atOnce], dnstest.Client)
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
