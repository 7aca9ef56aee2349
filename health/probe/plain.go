package probe

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"gslb/health"
	"gslb/health/probe/loop"
)

// plainHTTP judges responses of the usual form where they lie, without a copy. All others are odd: one with
// an interim response before it, a folded field, a bare line feed, an error.
type plainHTTP struct {
	*httpProbe
	host   string // of the address
	code   int    // the last status that passed
	detail string // of that
}

// head is what is judged of a response's header.
type head struct {
	status    int
	date, age []byte
	length    int64 // of the body; -1: it is not told
	chunked   bool
	size      int // of the header
}

// hear implements plain.
func (p *plainHTTP) hear(data []byte) (health.Result, loop.Answer) {
	h, answer := readHead(data)
	if answer != loop.Enough {
		return health.Result{}, answer
	}
	p.network.clocks.hear(p.host, h.date, h.age, time.Now())
	if !p.accepts(h.status) {
		return p.refuse(h.status), loop.Enough
	}
	if p.body.pattern == nil {
		if p.code != h.status {
			p.code, p.detail = h.status, passing(h.status)
		}
		return pass(p.detail), loop.Enough
	}
	return p.hearBody(h, data[h.size:])
}

// hearBody looks for the pattern in a body, of which all of data has come.
func (p *plainHTTP) hearBody(h head, data []byte) (health.Result, loop.Answer) {
	text, whole := data, false
	switch {
	case h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		return health.Result{}, loop.Odd
	case h.chunked:
		var ok bool
		if text, whole, ok = joined(data); !ok {
			return health.Result{}, loop.Odd
		}
	case h.length >= 0:
		text = text[:min(int64(len(text)), h.length)]
		whole = int64(len(text)) == h.length
	}
	if int64(len(text)) >= p.body.limit {
		text, whole = text[:p.body.limit], true
	}
	switch {
	case (whole || p.body.eager && len(text) > 0) && p.body.matches(text, whole):
		if p.code != h.status {
			p.code, p.detail = h.status, passing(h.status)+bodyMatches
		}
		return pass(p.detail), loop.Enough
	case whole:
		return health.Result{}, loop.Odd
	}
	return health.Result{}, loop.More
}

// rest implements plain.
func (p *plainHTTP) rest(ctx context.Context, conn *connection, left loop.Rest) health.Result {
	writeErr := left.WriteErr
	if writeErr == nil && len(left.Unsent) > 0 {
		_, writeErr = conn.Write(left.Unsent)
	}
	response, err := p.network.receive(ctx, conn, p.first.method, writeErr)
	if err != nil {
		return classify(ctx, err)
	}
	defer response.close()
	result, _ := p.judge(ctx, response)
	return result
}

// readHead reads the header of a final response, as readResponse does. What is not of the usual form is Odd, as
// soon as that shows.
func readHead(data []byte) (h head, answer loop.Answer) {
	h.length = -1
	lengths, codings := 0, 0
	for first := true; ; first = false {
		end := bytes.IndexByte(data[h.size:], '\n')
		if end < 0 {
			return h, loop.More
		}
		line := data[h.size : h.size+end]
		h.size += end + 1
		if len(line) == 0 || line[len(line)-1] != '\r' {
			return h, loop.Odd
		}
		line = line[:len(line)-1]
		switch {
		case bytes.IndexByte(line, '\r') >= 0:
			return h, loop.Odd
		case first:
			var ok bool
			if h.status, ok = statusOf(line); !ok || h.status < http.StatusOK {
				return h, loop.Odd
			}
			continue
		case len(line) == 0:
			return h, loop.Enough
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 || !isToken(line[:colon]) {
			return h, loop.Odd
		}
		name, value := line[:colon], bytes.TrimSpace(line[colon+1:])
		switch {
		case len(name) == len("Date") && is(name, "date") && h.date == nil:
			h.date = value
		case len(name) == len("Age") && is(name, "age") && h.age == nil:
			h.age = value
		case is(name, "content-length"):
			length, err := strconv.ParseUint(string(value), 10, 62)
			if lengths++; lengths > 1 || err != nil {
				return h, loop.Odd
			}
			h.length = int64(length)
		case is(name, "transfer-encoding"):
			if codings++; codings > 1 || !is(value, "chunked") {
				return h, loop.Odd
			}
			h.chunked = true
		}
	}
}

// is compares a word with one in lower case.
func is(word []byte, lower string) bool {
	return len(word) == len(lower) && bytes.EqualFold(word, []byte(lower))
}

// joined is the content of the chunks of a body that have come, and whether these are all of them. What is not of
// the usual form is not ok.
func joined(data []byte) (text []byte, whole, ok bool) {
	for first := true; ; first = false {
		end := bytes.Index(data, []byte("\r\n"))
		switch {
		case end < 0:
			return text, false, len(data) < 16
		case end == 0 || end > 8:
			return nil, false, false
		}
		size, err := strconv.ParseUint(string(data[:end]), 16, 32)
		if err != nil {
			return nil, false, false
		}
		if data = data[end+2:]; size == 0 {
			return text, true, true
		}
		part := data[:min(uint64(len(data)), size)]
		if first {
			text = part[:len(part):len(part)] // an append copies it
		} else {
			text = append(text, part...)
		}
		switch data = data[len(part):]; {
		case len(data) < 2:
			return text, false, true
		case data[0] != '\r' || data[1] != '\n':
			return nil, false, false
		}
		data = data[2:]
	}
}

// plainTCP is plainHTTP for an exchange of one step.
type plainTCP struct{ *tcpProbe }

// hear implements plain.
func (p *plainTCP) hear(data []byte) (health.Result, loop.Answer) {
	switch {
	case len(data) >= maxGreeting:
		return health.Result{}, loop.Odd
	case matcher{pattern: p.spec.Pattern}.matches(data, false):
		return pass(answerMatches), loop.Enough
	}
	return health.Result{}, loop.More
}

// rest implements plain.
func (p *plainTCP) rest(ctx context.Context, conn *connection, left loop.Rest) health.Result {
	defer conn.close()
	if left.WriteErr != nil {
		return classify(ctx, conn.fault(sending, left.WriteErr))
	}
	unsent := *p.tcpProbe
	unsent.steps = []health.TCPStep{{Send: string(left.Unsent), Pattern: p.spec.Pattern}}
	return unsent.converse(ctx, conn)
}
