//go:build integration

package probing

import (
	"io"
	"net"
	"strings"
	"time"
)

// oddServer is a server of HTTP that does something in an unusual way.
type oddServer struct {
	name   string
	handle func(net.Conn)
	body   bool // it is to be judged by its body too, which must have "OK" in it
	// whereSplit is what a probe should make of it where the two judges differ. RFC 9112
	// decides; what that leaves to the recipient passes, if there is no doubt what is meant.
	whereSplit verdict
}

func (o oddServer) split(v verdict) oddServer {
	o.whereSplit = v
	return o
}

const (
	status = "HTTP/1.1 200 OK\r\n"
	length = "Content-Length: 2\r\n"
)

// corpus is all odd servers. Those of a text answer with it once a request is there, and
// close.
func corpus() []oddServer {
	text := func(name, answer string) oddServer { return oddServer{name: name, handle: says(answer)} }
	body := func(name, answer string) oddServer { return oddServer{name: name, handle: says(answer), body: true} }
	return []oddServer{
		text("usual", status+length+"\r\nOK"),
		body("usual, body", status+length+"\r\nOK"),

		// Status lines.
		text("no reason phrase", "HTTP/1.1 200 \r\n"+length+"\r\nOK"),
		text("no reason phrase, no space", "HTTP/1.1 200\r\n"+length+"\r\nOK"),
		text("odd reason phrase", "HTTP/1.1 200 \x80\xff \"OK\"\r\n"+length+"\r\nOK"),
		text("long reason phrase", "HTTP/1.1 200 "+strings.Repeat("long ", 400)+"\r\n"+length+"\r\nOK"),
		text("two spaces", "HTTP/1.1  200 OK\r\n"+length+"\r\nOK"),
		text("tab", "HTTP/1.1\t200 OK\r\n"+length+"\r\nOK").split(fail),
		text("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nOK"),
		body("HTTP/1.0, body", "HTTP/1.0 200 OK\r\n\r\nOK"),
		text("HTTP/1.2", "HTTP/1.2 200 OK\r\n"+length+"\r\nOK").split(pass),
		text("HTTP/2.0 in text", "HTTP/2.0 200 OK\r\n"+length+"\r\nOK"),
		text("HTTP/2 in text", "HTTP/2 200 OK\r\n"+length+"\r\nOK").split(fail),
		text("HTTP/3.0 in text", "HTTP/3.0 200 OK\r\n"+length+"\r\nOK").split(pass),
		text("lower case", "http/1.1 200 OK\r\n"+length+"\r\nOK").split(fail),
		text("ICY", "ICY 200 OK\r\n"+length+"\r\nOK"),
		text("HTTP/0.9", "OK"),
		text("no status", "HTTP/1.1 OK\r\n"+length+"\r\nOK"),
		text("status of two digits", "HTTP/1.1 20 OK\r\n"+length+"\r\nOK"),
		text("status of four digits", "HTTP/1.1 2000 OK\r\n"+length+"\r\nOK"),
		text("status and letters", "HTTP/1.1 200OK\r\n"+length+"\r\nOK").split(fail),
		text("status 099", "HTTP/1.1 099 OK\r\n"+length+"\r\nOK"),
		text("status 600", "HTTP/1.1 600 OK\r\n"+length+"\r\nOK"),
		text("status 204", "HTTP/1.1 204 No Content\r\n\r\n"),
		text("one empty line before", "\r\n"+status+length+"\r\nOK").split(fail),
		text("many empty lines before", strings.Repeat("\r\n", 20)+status+length+"\r\nOK").split(fail),
		text("bare line feed before", "\n"+status+length+"\r\nOK").split(fail),
		text("space before", " "+status+length+"\r\nOK"),
		text("garbage before", "\x00\x01"+status+length+"\r\nOK"),
		text("SSH", "SSH-2.0-OpenSSH_9.9\r\n"),
		text("SMTP", "220 mail.example.com ESMTP\r\n"),
		text("a TLS alert", "\x15\x03\x01\x00\x02\x02\x46"),
		text("HTTP/2 frames", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),

		// Line ends.
		text("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nOK"),
		body("bare line feeds, body", "HTTP/1.1 200 OK\nContent-Length: 2\n\nOK"),
		text("bare line feeds in part", status+"Content-Length: 2\nX-A: b\r\n\nOK"),
		text("bare carriage returns", "HTTP/1.1 200 OK\rContent-Length: 2\r\rOK"),
		text("two carriage returns", status+"X-A: b\r\r\n"+length+"\r\nOK").split(pass),
		text("carriage return in a value", status+"X-A: b\rc\r\n"+length+"\r\nOK").split(pass),

		// Header fields.
		text("no header", "HTTP/1.1 200 OK\r\n\r\nOK"),
		body("no header, body", "HTTP/1.1 200 OK\r\n\r\nOK"),
		text("folded", status+"X-A: b\r\n c\r\n\td\r\n"+length+"\r\nOK"),
		text("folded first line", status+" X-A: b\r\n"+length+"\r\nOK"),
		text("folded to nothing", status+"X-A:\r\n \r\n"+length+"\r\nOK"),
		text("line without a colon", status+"nonsense\r\n"+length+"\r\nOK"),
		text("status line twice", status+status+length+"\r\nOK"),
		text("empty name", status+": b\r\n"+length+"\r\nOK").split(pass),
		text("space before the colon", status+"X-A : b\r\n"+length+"\r\nOK").split(pass),
		text("space in a name", status+"X A: b\r\n"+length+"\r\nOK").split(pass),
		text("odd bytes in a name", status+"X(A)/\"B\": c\r\n"+length+"\r\nOK").split(pass),
		text("8-bit name", status+"X-\xe9: c\r\n"+length+"\r\nOK").split(pass),
		text("NUL in a name", status+"X-\x00A: c\r\n"+length+"\r\nOK"),
		text("control character in a value", status+"X-A: b\x01\x7fc\r\n"+length+"\r\nOK"),
		text("NUL in a value", status+"X-A: b\x00c\r\n"+length+"\r\nOK").split(pass),
		text("8-bit value", status+"X-A: \xe9\xff\r\n"+length+"\r\nOK"),
		text("no space after the colon", status+"X-A:b\r\nContent-Length:2\r\n\r\nOK"),
		text("80 fields", status+strings.Repeat("X-A: b\r\n", 80)+length+"\r\nOK"),
		text("500 fields", status+strings.Repeat("X-A: b\r\n", 500)+length+"\r\nOK").split(pass),
		text("8 KB field", status+"X-A: "+strings.Repeat("b", 8<<10)+"\r\n"+length+"\r\nOK"),
		text("40 KB field", status+"X-A: "+strings.Repeat("b", 40<<10)+"\r\n"+length+"\r\nOK").split(pass),
		{name: "header without end", handle: endless(status, "X-Filler: more of it\r\n")},
		{name: "field without end", handle: endless(status+"X-Filler: ", "more of it")},
		{name: "status line without end", handle: endless("HTTP/1.1 200 ", "more of it")},

		// Interim responses.
		text("100 before", "HTTP/1.1 100 Continue\r\n\r\n"+status+length+"\r\nOK").split(pass),
		body("102 and 103 before, body", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+status+length+"\r\nOK").split(pass),
		text("199 before", "HTTP/1.1 199 X\r\n\r\n"+status+length+"\r\nOK").split(pass),
		text("100 alone", "HTTP/1.1 100 Continue\r\n\r\n"),
		text("101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
		{name: "100 without end", handle: endless("", "HTTP/1.1 100 Continue\r\n\r\n")},

		// Content-Length.
		text("length given twice as a list", status+"Content-Length: 2, 2\r\n\r\nOK"),
		body("length given twice as a list, body", status+"Content-Length: 2, 2\r\n\r\nOK"),
		body("length given twice, body", status+length+length+"\r\nOK"),
		text("lengths differ", status+length+"Content-Length: 3\r\n\r\nOK").split(fail),
		text("lengths differ in a list", status+"Content-Length: 2, 3\r\n\r\nOK").split(fail),
		text("length with a sign", status+"Content-Length: +2\r\n\r\nOK").split(fail),
		text("length is negative", status+"Content-Length: -2\r\n\r\nOK"),
		text("length is no number", status+"Content-Length: two\r\n\r\nOK"),
		text("length is empty", status+"Content-Length:\r\n\r\nOK"),
		text("length is huge", status+"Content-Length: 99999999999999999999999\r\n\r\nOK").split(pass),
		body("length with zeros", status+"Content-Length: 0002\r\n\r\nOK"),
		body("body longer than its length", status+length+"\r\nOK and more"),
		body("length ends before the match", status+"Content-Length: 1\r\n\r\nOK"),
		body("body shorter than its length, without the match", status+"Content-Length: 9\r\n\r\nO"),
		body("body shorter than its length", status+"Content-Length: 9\r\n\r\nOK"),
		text("no body where one is announced", status+"Content-Length: 9\r\n\r\n"),
		text("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
		text("204 with a body", "HTTP/1.1 204 No Content\r\n"+length+"\r\nOK"),

		// Transfer-Encoding.
		body("chunks", status+"Transfer-Encoding: chunked\r\n\r\n1\r\nO\r\n1\r\nK\r\n0\r\n\r\n"),
		body("chunks with trailers", status+"Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\nX-A: b\r\nX-B: c\r\n\r\n"),
		body("chunks with extensions", status+"Transfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nOK\r\n0;e\r\n\r\n"),
		body("chunks with zeros and spaces", status+"Transfer-Encoding: chunked\r\n\r\n0002 \r\nOK\r\n000\r\n\r\n"),
		body("chunks with bare line feeds", status+"Transfer-Encoding: chunked\r\n\r\n2\nOK\n0\n\n"),
		body("chunks in capitals", status+"Transfer-Encoding: CHUNKED\r\n\r\n2\r\nOK\r\n0\r\n\r\n"),
		body("chunks without an end", status+"Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n"),
		body("chunks end before the match", status+"Transfer-Encoding: chunked\r\n\r\n1\r\nO\r\n0\r\n\r\nOK"),
		body("chunk of no size", status+"Transfer-Encoding: chunked\r\n\r\nzz\r\nOK\r\n"),
		body("chunk of a huge size", status+"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\nOK\r\n"),
		body("chunk longer than its size", status+"Transfer-Encoding: chunked\r\n\r\n1\r\nOK\r\n0\r\n\r\n"),
		text("chunks and a length", status+length+"Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"),
		body("chunks and a wrong length, body", status+"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"),
		body("chunks from HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"),
		text("identity", status+"Transfer-Encoding: identity\r\n\r\nOK").split(pass),
		body("identity, body", status+"Transfer-Encoding: identity\r\n\r\nOK").split(pass),
		text("chunked twice", status+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n").split(pass),
		text("unknown coding", status+"Transfer-Encoding: foo\r\n\r\nOK").split(pass),
		text("unknown coding and chunked", status+"Transfer-Encoding: foo, chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n").split(pass),
		text("gzip and chunked", status+"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n").split(pass),
		{name: "chunk extension without end", handle: endless(status+"Transfer-Encoding: chunked\r\n\r\n2;", "filler"), body: true},
		{name: "chunks of one byte without end", handle: endless(status+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), body: true},

		// Content-Encoding.
		body("says gzip, and is not", status+"Content-Encoding: gzip\r\n"+length+"\r\nOK"),
		text("unknown content coding", status+"Content-Encoding: foo\r\n"+length+"\r\nOK"),

		// Connections.
		{name: "stays open", handle: thenHangs(status + length + "\r\nOK")},
		{name: "stays open, body", handle: thenHangs(status + length + "\r\nOK"), body: true},
		{name: "stays open, no length", handle: thenHangs(status + "\r\nOK")},
		{name: "stays open after the header", handle: thenHangs(status + length + "\r\n")},
		{name: "stays open in the header", handle: thenHangs(status + length)},
		{name: "resets after the answer", handle: thenResets(status + length + "\r\nOK")},
		{name: "resets after the answer, body", handle: thenResets(status + length + "\r\nOK"), body: true},
		{name: "resets before the answer", handle: thenResets("")},
		{name: "resets in the header", handle: thenResets(status)},
		{name: "ends its side after the answer", handle: thenEndsItsSide(status + length + "\r\nOK"), body: true},
		{name: "ends its side after the answer, no length", handle: thenEndsItsSide(status + "\r\nOK"), body: true},
		{name: "closes at once", handle: func(net.Conn) {}},
		{name: "closes after the request", handle: says("")},
		{name: "closes in the status line", handle: says("HTTP/1.1 200 O")},
		{name: "closes in the header", handle: says(status + "Content-Type: text/pl")},
		{name: "closes after a line of the header", handle: says(status + length)},
		{name: "closes after the status line", handle: says(status)},
		{name: "answers before the request", handle: answersEarly(status + length + "\r\nOK")},
		{name: "is silent", handle: func(c net.Conn) { io.Copy(io.Discard, c) }},
		{name: "drips", handle: drips(status+length+"\r\nOK", time.Millisecond), body: true},
		{name: "drips too slowly", handle: drips(status+length+"\r\nOK", 200*time.Millisecond)},
		{name: "body without end", handle: endless(status+"\r\nOK", "filler")},
		{name: "body without end, matches", handle: endless(status+"\r\nOK", "filler"), body: true},
	}
}

// request reads a request's header.
func request(c net.Conn) {
	var read []byte
	for piece := make([]byte, 512); !strings.Contains(string(read), "\r\n\r\n"); {
		n, err := c.Read(piece)
		if read = append(read, piece[:n]...); err != nil {
			return
		}
	}
}

func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		io.WriteString(c, text)
	}
}

func thenHangs(text string) func(net.Conn) {
	return func(c net.Conn) {
		says(text)(c)
		io.Copy(io.Discard, c)
	}
}

// thenResets resets the connection a moment after the text, so that it is read before.
func thenResets(text string) func(net.Conn) {
	return func(c net.Conn) {
		says(text)(c)
		time.Sleep(20 * time.Millisecond)
		c.(*net.TCPConn).SetLinger(0)
	}
}

func thenEndsItsSide(text string) func(net.Conn) {
	return func(c net.Conn) {
		says(text)(c)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
	}
}

func answersEarly(text string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, text)
		request(c)
	}
}

// endless goes on with more as long as somebody reads.
func endless(text, more string) func(net.Conn) {
	return func(c net.Conn) {
		says(text)(c)
		for more := strings.Repeat(more, 100); ; {
			if _, err := io.WriteString(c, more); err != nil {
				return
			}
		}
	}
}

func drips(text string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}
