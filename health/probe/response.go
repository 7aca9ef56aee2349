package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// readResponse reads the header of the final response as liberally as clients do: a response that
// both curl and HAProxy's httpchk accept must not turn a target down, and net/http is stricter than
// they are. The body is read later.
//
// Interim responses may come before it, asked for or not (RFC 9110, section 15.2); 101 is
// final, since HTTP ends there.
func readResponse(r *bufio.Reader, method string) (*http.Response, error) {
	for {
		response, err := readHeader(r)
		if err != nil {
			return nil, err
		}
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, frame(response, r, method)
		}
	}
}

// tlsAlert is how a server of TLS answers a request in plain text: with a record of the type alert (RFC 8446, section
// 5.1), whose version begins with 3, as in SSL 3.0 and all of TLS.
const tlsAlert = "\x15\x03"

// readHeader reads a status line and the fields after it. A line may end in a bare line
// feed (RFC 9112, section 2.2).
func readHeader(r *bufio.Reader) (*http.Response, error) {
	if begin, _ := r.Peek(len(tlsAlert)); string(begin) == tlsAlert {
		return nil, errors.New("malformed HTTP status line: an alert of TLS; the server speaks HTTP over TLS there")
	}
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	response := &http.Response{ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header, 8)}
	var ok bool
	if response.StatusCode, ok = statusOf(line); !ok {
		return nil, fmt.Errorf("malformed HTTP status line %q", line[:min(len(line), shownBody)])
	}

	last := "" // the field that a folded line belongs to
	for first := true; ; first = false {
		line, err := readLine(r)
		switch {
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case len(line) == 0:
			return response, nil
		}
		// An obsolete way to write one value in several lines (RFC 9112, section 5.2).
		if line[0] == ' ' || line[0] == '\t' {
			if first {
				return nil, errors.New("malformed header: its first line begins with white space")
			}
			if values := response.Header[last]; len(values) > 0 {
				values[len(values)-1] = strings.TrimSpace(values[len(values)-1] + " " + valueOf(line))
			}
			continue
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || bytes.IndexByte(name, 0) >= 0 {
			return nil, fmt.Errorf("malformed header line %q", line[:min(len(line), shownBody)])
		}
		// A field whose name is not valid is ignored.
		last = ""
		if name = bytes.TrimRight(name, " \t"); isToken(name) {
			last = textproto.CanonicalMIMEHeaderKey(string(name))
			response.Header[last] = append(response.Header[last], valueOf(value))
		}
	}
}

// statusOf returns the status code of a status line (RFC 9112, section 4). The space and
// the reason phrase after it may be missing; a tab may stand for the space.
func statusOf(line []byte) (code int, ok bool) {
	const version, digits = len("HTTP/1.1"), 3
	if len(line) < version+1+digits || !bytes.HasPrefix(line, []byte("HTTP/")) ||
		!isDigit(line[5]) || line[6] != '.' || !isDigit(line[7]) || line[version] != ' ' {
		return 0, false
	}
	rest := bytes.TrimLeft(line[version:], " ")
	if len(rest) < digits || len(rest) > digits && rest[digits] != ' ' && rest[digits] != '\t' {
		return 0, false
	}
	for _, c := range rest[:digits] {
		if !isDigit(c) {
			return 0, false
		}
		code = 10*code + int(c-'0')
	}
	return code, code >= 100
}

// valueOf is a field's value. Characters that are not allowed become spaces (RFC 9110, section
// 5.5).
func valueOf(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	for i, c := range raw {
		if c == '\r' || c == 0 {
			raw[i] = ' '
		}
	}
	return string(raw)
}

// frame finds where the body of a response ends (RFC 9112, section 6.3).
func frame(response *http.Response, r *bufio.Reader, method string) error {
	response.ContentLength = -1
	codings, lengths := response.Header["Transfer-Encoding"], response.Header["Content-Length"]
	body := io.Reader(r)
	switch {
	case method == http.MethodHead, response.StatusCode < 200,
		response.StatusCode == http.StatusNoContent, response.StatusCode == http.StatusNotModified:
		body = http.NoBody
	case len(codings) > 0:
		// Transfer-Encoding overrides Content-Length. If the last coding is not chunked, the body
		// ends with the connection.
		last := strings.TrimRight(strings.Join(codings, ","), ", \t") // empty elements count for nothing (RFC 9110, section 5.6.1)
		last = last[strings.LastIndexByte(last, ',')+1:]
		if strings.EqualFold(strings.TrimSpace(last), "chunked") {
			body = &chunks{reader: r}
		}
	case len(lengths) > 0:
		length, err := contentLength(lengths)
		if err != nil {
			return err
		}
		response.ContentLength = length
		body = &lengthed{r, length}
	}
	response.Body = io.NopCloser(body)
	return nil
}

// contentLength reads a length, which may be given several times if it is always the same. One that
// is too large for an int64 counts as none.
func contentLength(values []string) (int64, error) {
	list := strings.Join(values, ",")
	length := int64(-1)
	for word := range strings.SplitSeq(list, ",") {
		word = strings.Trim(word, " \t")
		n, err := strconv.ParseUint(word, 10, 63)
		if word == "" || !isDigit(word[0]) || err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, fmt.Errorf("malformed Content-Length %q", list)
		}
		if length >= 0 && length != int64(n) {
			return 0, fmt.Errorf("more than one Content-Length: %q", list)
		}
		length = int64(n)
	}
	return length, nil
}

// lengthed is a body of known length.
type lengthed struct {
	reader io.Reader
	left   int64
}

func (b *lengthed) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.EOF
	}
	n, err := b.reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0:
		err = io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunks is a body in chunks (RFC 9112, section 7.1). Extensions are skipped, and the trailer is
// not read.
type chunks struct {
	reader   *bufio.Reader
	left     int64 // of the present chunk
	begun    bool  // there was a chunk before, whose end of line has not been read
	overhead int64 // bytes of framing beyond those allowed for the bytes of the body
	err      error
}

// dearByte is how many bytes of framing are allowed for each byte of the body: a chunk of one byte
// is "1\r\nx\r\n".
const dearByte = 16

func (b *chunks) Read(p []byte) (int, error) {
	if b.left == 0 && b.err == nil {
		b.left, b.err = b.next()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.overhead = max(0, b.overhead-int64(n)*dearByte)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// next reads the size of the next chunk. The last chunk is an io.EOF.
func (b *chunks) next() (int64, error) {
	if b.begun {
		end, err := b.line()
		switch {
		case err != nil:
			return 0, err
		case len(end) > 0:
			return 0, fmt.Errorf("malformed chunk: %q after its end", end[:min(len(end), shownBody)])
		}
	}
	b.begun = true
	line, err := b.line()
	if err != nil {
		return 0, err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 63)
	switch {
	case err != nil:
		return 0, fmt.Errorf("malformed size of a chunk: %q", line[:min(len(line), shownBody)])
	case size == 0:
		return 0, io.EOF
	}
	return int64(size), nil
}

func (b *chunks) line() ([]byte, error) {
	line, err := b.reader.ReadSlice('\n')
	b.overhead += int64(len(line))
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull), err == nil && b.overhead > maxHeader:
		return nil, errors.New("its chunks have more overhead than content")
	case err != nil:
		return nil, err
	}
	return withoutEnd(line), nil
}

// readLine returns the next line, without its end. It is valid until the next one is read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		// The reader's input is limited, and so is this line.
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = r.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return withoutEnd(line), nil
}

func withoutEnd(line []byte) []byte {
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isToken says whether a field's name is a token (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, c := range name {
		if !isDigit(c) && (c|0x20 < 'a' || 'z' < c|0x20) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return len(name) > 0
}
