package probe

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"gslb/health"
)

func specDNS(server string) *health.DNS {
	return &health.DNS{Server: server, Name: "www.example.com.", Type: "A", Rcodes: []string{"NOERROR"}}
}

// datagrams hands what comes in over UDP to handle, which returns what goes back: nothing, or several answers.
func datagrams(t testing.TB, host string, handle func([]byte) [][]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		data := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(data)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			for _, reply := range handle(data[:n]) {
				conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return conn.LocalAddr().String()
}

// answering makes the answer to a query, changed as a test likes.
func answering(t testing.TB, change func(*dns.Msg)) func([]byte) [][]byte {
	return func(query []byte) [][]byte {
		q := new(dns.Msg)
		if err := q.Unpack(query); err != nil {
			t.Errorf("the query is no message: %v", err)
			return nil
		}
		reply := new(dns.Msg).SetReply(q)
		record, _ := dns.NewRR("www.example.com. 20 IN A 192.0.2.1")
		reply.Answer = append(reply.Answer, record)
		change(reply)
		packed, err := reply.Pack()
		if err != nil {
			t.Error(err)
		}
		return [][]byte{packed}
	}
}

// streamed answers over TCP as a handler for datagrams does.
func streamed(handle func([]byte) [][]byte) func(net.Conn) {
	return func(conn net.Conn) {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		io.ReadFull(conn, query)
		for _, reply := range handle(query) {
			conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
		}
	}
}

func TestDNSAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*dns.Msg)
		spec   func(*health.DNS)
		want   want
	}{
		{"an answer", func(*dns.Msg) {}, nil, want{health.Pass, "ok", "NOERROR, 1 in the answer"}},
		{"no data", func(m *dns.Msg) { m.Answer = nil }, nil, want{health.Pass, "ok", "NOERROR, 0 in the answer"}},
		{"other case", func(m *dns.Msg) { m.Question[0].Name = "WWW.example.COM." }, nil, want{health.Pass, "ok", ""}},
		{"servfail", func(m *dns.Msg) { m.Rcode, m.Answer = dns.RcodeServerFailure, nil }, nil, want{health.Fail, "rcode", "SERVFAIL, want NOERROR"}},
		{"another rcode is fine, too", func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, func(s *health.DNS) { s.Rcodes = []string{"NOERROR", "NXDOMAIN"} }, want{health.Pass, "ok", "NXDOMAIN"}},
		{"an rcode without a name", func(m *dns.Msg) { m.Rcode = 14 }, nil, want{health.Fail, "rcode", "RCODE14, want NOERROR"}},
		{"an error without a question", func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeFormatError }, nil, want{health.Fail, "rcode", "FORMERR, want NOERROR"}},
		{"matches", func(*dns.Msg) {}, func(s *health.DNS) { s.Pattern = regexp.MustCompile(`^192\.0\.2\.1$`) }, want{health.Pass, "ok", "NOERROR, the answer matches"}},
		{"the second matches", func(m *dns.Msg) {
			first, _ := dns.NewRR("www.example.com. 20 IN CNAME a.example.com.")
			m.Answer = append([]dns.RR{first}, m.Answer...)
		}, func(s *health.DNS) { s.Pattern = regexp.MustCompile(`^192\.0\.2\.1$`) }, want{health.Pass, "ok", ""}},
		{"does not match", func(*dns.Msg) {}, func(s *health.DNS) { s.Pattern = regexp.MustCompile(`^198\.`) }, want{health.Fail, "answer", `the answer does not match "^198\\.": got "192.0.2.1"`}},
		{"nothing to match", func(m *dns.Msg) { m.Answer = nil }, func(s *health.DNS) { s.Pattern = regexp.MustCompile(`.`) }, want{health.Fail, "answer", `NOERROR, and nothing in the answer`}},
	}
	for _, test := range tests {
		handle := answering(t, test.change)
		for over, server := range map[string]string{"udp": datagrams(t, "127.0.0.1", handle), "tcp": serve(t, "127.0.0.1", streamed(handle))} {
			t.Run(test.name+" over "+over, func(t *testing.T) {
				spec := specDNS(server)
				spec.TCP = over == "tcp"
				if test.spec != nil {
					test.spec(spec)
				}
				test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
			})
		}
	}
}

func TestDNSQuery(t *testing.T) {
	t.Parallel()
	queries := make(chan *dns.Msg, 1)
	server := datagrams(t, "::1", func(data []byte) [][]byte {
		query := new(dns.Msg)
		if err := query.Unpack(data); err != nil {
			t.Error(err)
		}
		queries <- query
		return answering(t, func(*dns.Msg) {})(data)
	})
	ids := make(map[uint16]bool)
	for _, recursion := range []bool{true, false, true, false} {
		spec := specDNS(server)
		spec.Type, spec.NoRecursion = "HTTPS", !recursion
		want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		q := <-queries
		ids[q.Id] = true
		if len(q.Question) != 1 || q.Question[0] != (dns.Question{Name: "www.example.com.", Qtype: dns.TypeHTTPS, Qclass: dns.ClassINET}) ||
			q.RecursionDesired != recursion || len(q.Extra) > 0 {
			t.Errorf("it asked %v", q)
		}
	}
	if len(ids) < 2 {
		t.Error("every question has the same id")
	}
}

// Messages that do not answer the question are ignored over UDP, where anybody may send them, and fail the
// probe if nothing else comes, or over TCP.
func TestDNSWrongAnswers(t *testing.T) {
	t.Parallel()
	garbage := func([]byte) [][]byte { return [][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n\r\n")} }
	for name, test := range map[string]struct {
		handle func([]byte) [][]byte
		want   string
	}{
		"id":         {answering(t, func(m *dns.Msg) { m.Id++ }), "and that of the question is "},
		"query":      {answering(t, func(m *dns.Msg) { m.Response = false }), "it is a query itself"},
		"name":       {answering(t, func(m *dns.Msg) { m.Question[0].Name = "example.com." }), "its question is example.com. A"},
		"type":       {answering(t, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX }), "its question is www.example.com. MX"},
		"questions":  {answering(t, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "it has 2 questions"},
		"no errors":  {answering(t, func(m *dns.Msg) { m.Question = nil }), "it has 0 questions"},
		"too short":  {func(query []byte) [][]byte { return [][]byte{query[:11]} }, "it has 11 bytes"},
		"not DNS":    {garbage, "no answer to the question"},
		"cut off":    {func(q []byte) [][]byte { r := answering(t, func(*dns.Msg) {})(q)[0]; return [][]byte{r[:len(r)-1]} }, "no answer to the question"},
		"empty data": {func([]byte) [][]byte { return [][]byte{nil} }, "it has 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				want{health.Fail, "protocol", test.want}.check(t, mustMake(t, Options{Dial: overPipe(test.handle)}, specDNS("192.0.2.1:53"))(ctx))
			})

			spec := specDNS(serve(t, "127.0.0.1", streamed(test.handle)))
			spec.TCP = true
			want{health.Fail, "protocol", test.want}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))

			both := datagrams(t, "127.0.0.1", func(query []byte) [][]byte {
				return append(test.handle(query), answering(t, func(*dns.Msg) {})(query)...)
			})
			want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, specDNS(both))))
		})
	}
}

// overPipe answers over an in-memory connection, on which each write is one packet.
func overPipe(handle func([]byte) [][]byte) dialer {
	return pipeTo(func(conn net.Conn) {
		data := make([]byte, 4096)
		for n, err := conn.Read(data); err == nil; n, err = conn.Read(data) {
			for _, reply := range handle(data[:n]) {
				conn.Write(reply)
			}
		}
	})
}

// A packet that is lost is sent again after a third of the time, and not a third time.
func TestDNSLostPackets(t *testing.T) {
	for lost, want := range map[int32]want{
		1: {health.Pass, "ok", ""},
		2: {health.Fail, "timeout", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			dial := overPipe(func(query []byte) [][]byte {
				if asked.Add(1) <= lost {
					return nil
				}
				return answering(t, func(*dns.Msg) {})(query)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			began := time.Now()
			want.check(t, mustMake(t, Options{Dial: dial}, specDNS("192.0.2.1:53"))(ctx))
			if n, took := asked.Load(), time.Since(began); n != 2 || took != map[int32]time.Duration{1: time.Second, 2: 3 * time.Second}[lost] {
				t.Errorf("it asked %d times in %v", n, took)
			}
		})
	}
}

func TestDNSRefused(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	want{health.Fail, "refused", "connection refused"}.check(t, runPromptly(t, mustMake(t, Options{}, specDNS(conn.LocalAddr().String()))))
}

// serveBoth is serve, with a socket for UDP at the same port.
func serveBoth(t testing.TB, handle func(net.Conn)) (address string, conn net.PacketConn) {
	t.Helper()
	for range 20 {
		address = serve(t, "127.0.0.1", handle)
		if conn, err := net.ListenPacket("udp", address); err == nil {
			return address, conn
		}
	}
	t.Fatal("no port is free for both transports")
	return "", nil
}

// A truncated answer is asked for again over TCP, whatever is in it.
func TestDNSTruncated(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*dns.Msg){
		"empty":         func(m *dns.Msg) { m.Truncated, m.Answer = true, nil },
		"with an error": func(m *dns.Msg) { m.Truncated, m.Rcode = true, dns.RcodeServerFailure },
		"header alone":  func(m *dns.Msg) { m.Truncated, m.Answer, m.Question = true, nil, nil },
	} {
		tcp, conn := serveBoth(t, streamed(answering(t, func(*dns.Msg) {})))
		go func() {
			data := make([]byte, 4096)
			for n, from, err := conn.ReadFrom(data); err == nil; n, from, err = conn.ReadFrom(data) {
				conn.WriteTo(answering(t, change)(data[:n])[0], from)
			}
		}()
		spec := specDNS(tcp)
		spec.Pattern = regexp.MustCompile("192.0.2.1")
		t.Run(name, func(t *testing.T) {
			want{health.Pass, "ok", "matches"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
		})
		conn.Close()
	}
}

func TestDNSOverTCPFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server func(net.Conn)
		want   want
	}{
		"closes":         {func(c net.Conn) { io.ReadFull(c, make([]byte, 35)) }, want{health.Fail, "closed", "waiting for the response from 127.0.0.1:"}},
		"closes half":    {func(c net.Conn) { io.ReadFull(c, make([]byte, 35)); c.Write([]byte{1}) }, want{health.Fail, "closed", ""}},
		"closes midway":  {func(c net.Conn) { io.ReadFull(c, make([]byte, 35)); c.Write([]byte{1, 0, 5}) }, want{health.Fail, "closed", "reading from"}},
		"length of zero": {func(c net.Conn) { io.ReadFull(c, make([]byte, 35)); c.Write([]byte{0, 0}) }, want{health.Fail, "protocol", "it has 0 bytes"}},
	} {
		spec := specDNS(serve(t, "127.0.0.1", test.server))
		spec.TCP = true
		t.Run(name, func(t *testing.T) { test.want.check(t, runPromptly(t, mustMake(t, Options{}, spec))) })
	}
}

func TestDNSOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}, NextProtos: []string{"dot"}}
	spec := specDNS(serve(t, "127.0.0.1", func(conn net.Conn) {
		streamed(answering(t, func(*dns.Msg) {}))(tls.Server(conn, config))
	}))
	spec.TCP = true
	spec.Link = health.Link{Secure: true, TLS: health.TLS{RootsFile: ca.file(t)}}
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
	spec.TLS.RootsFile = newAuthority(t).file(t)
	want{health.Fail, "tls", "unknown authority"}.check(t, runPromptly(t, mustMake(t, Options{}, spec)))
}

func TestDNSTrace(t *testing.T) {
	var steps []Step
	server := datagrams(t, "127.0.0.1", answering(t, func(*dns.Msg) {}))
	mustMake(t, Options{}, specDNS(server))(WithTrace(t.Context(), func(s Step) { steps = append(steps, s) }))
	if len(steps) != 3 || steps[0].Phase != Connect || steps[1].Phase != Request || steps[2].Phase != Response ||
		!strings.Contains(string(steps[1].Data), "www.example.com.") || !strings.Contains(string(steps[2].Data), "192.0.2.1") {
		t.Errorf("%+v", steps)
	}
}

// Whatever a server sends, over UDP or TCP: the probe neither panics nor passes without an answer to its
// question.
func FuzzDNSAnswer(f *testing.F) {
	for _, change := range []func(*dns.Msg){
		func(*dns.Msg) {}, func(m *dns.Msg) { m.Truncated = true }, func(m *dns.Msg) { m.Question = nil }, func(m *dns.Msg) { m.Rcode = 2; m.Question = nil },
	} {
		query := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
		query.Id = 1
		packed, _ := query.Pack()
		f.Add(answering(f, change)(packed)[0])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		query := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
		query.Id = 1
		reply, err := answerTo(query, data)
		if (reply == nil) == (err == nil) {
			t.Fatalf("%v, %v", reply, err)
		}
		if err != nil {
			return
		}
		if reply.Id != 1 || len(reply.Question) == 0 && reply.Rcode == 0 && !reply.Truncated {
			t.Errorf("it was accepted: %v", reply)
		}
		spec := specDNS("192.0.2.1:53")
		spec.Pattern = regexp.MustCompile("x")
		p := &dnsProbe{spec: spec}
		got := presentable(func(context.Context) health.Result { return p.judge(reply) })(t.Context())
		sound(t, got)
		_ = reply.String() // a trace shows it
	})
}
