package probe

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"testing"

	"gslb/health"
)

// serveFast answers every request with the same bytes at as little cost as can be, so that
// the benchmarks show the probe's.
func serveFast(b *testing.B, reply string) string {
	raw := []byte(reply)
	return serve(b, "127.0.0.1", func(conn net.Conn) {
		var buffer [2048]byte
		n := 0
		for !bytes.Contains(buffer[:n], []byte("\r\n\r\n")) {
			more, err := conn.Read(buffer[n:])
			if err != nil {
				return
			}
			n += more
		}
		conn.Write(raw)
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn)
	})
}

func benchmark(b *testing.B, spec health.Spec) {
	probe := mustMake(b, Options{AWS: someCredentials}, spec)
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), patience)
		if got := probe(ctx); got.Verdict != health.Pass {
			b.Fatal(got)
		}
		cancel()
	}
}

func BenchmarkHTTP(b *testing.B) {
	benchmark(b, spec200("http://"+serveFast(b, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
}

func BenchmarkHTTPBody(b *testing.B) {
	spec := spec200("http://" + serveFast(b, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"))
	spec.Pattern, spec.MaxBody = regexp.MustCompile(`"status":\s*"ok"`), 64<<10
	benchmark(b, spec)
}

func BenchmarkTCP(b *testing.B) {
	benchmark(b, &health.TCP{Address: serve(b, "127.0.0.1", hang)})
}

func BenchmarkDynamoDB(b *testing.B) {
	benchmark(b, specItem("http://"+serveFast(b,
		"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 27\r\n\r\n{\"Item\":{\"id\":{\"S\":\"123\"}}}")))
}
