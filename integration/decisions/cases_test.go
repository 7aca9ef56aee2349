//go:build integration

package decisions

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// testCase is a block of a cases.txt.
type testCase struct {
	rule  string // its comment
	steps []step
}

// step is one line: either who is down, or a question and what must be answered.
type step struct {
	line     int
	isHealth bool
	down     []netip.Addr
	question question
	want     expectation
}

// expectation is what the replies to a question must be.
type expectation struct {
	text   string
	shares map[string]int // of the replies, by reply.answer; one: all replies are that
	of     []netip.Addr   // or: some of these, each as often as the others
	count  int            // so many of them
	ttl    int            // -1: whatever
	scope  int            // -1: whatever
}

// readCases reads a cases.txt for the configuration of w.
func (w *world) readCases(text string) ([]testCase, error) {
	var cases []testCase
	var now testCase
	var down []netip.Addr
	end := func() {
		if len(now.steps) > 0 {
			cases = append(cases, now)
		}
		now, down = testCase{}, nil
	}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		var s step
		var err error
		switch {
		case line == "":
			end()
			continue
		case strings.HasPrefix(line, "#"):
			if len(now.steps) > 0 {
				return nil, fmt.Errorf("line %d: a comment within a case; expected an empty line before it", i+1)
			}
			now.rule += strings.TrimPrefix(strings.TrimPrefix(line, "#"), " ") + "\n"
			continue
		case strings.HasPrefix(line, "down"):
			s, err = w.readDown(line)
			down = s.down
		default:
			s, err = w.readQuestion(line, down)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		s.line = i + 1
		now.steps = append(now.steps, s)
	}
	end()
	return cases, nil
}

func (w *world) readDown(line string) (step, error) {
	s := step{isHealth: true}
	for _, word := range strings.Fields(line)[1:] {
		addrs, err := w.addresses(word)
		if err != nil {
			return s, err
		}
		s.down = append(s.down, addrs...)
	}
	return s, nil
}

// readQuestion reads a line with a question, asked while some members are down.
func (w *world) readQuestion(line string, down []netip.Addr) (step, error) {
	asked, wanted, ok := strings.Cut(line, "->")
	words := strings.Fields(asked)
	if !ok || len(words) < 2 || len(words)%2 != 0 {
		return step{}, errors.New(`expected "NAME TYPE [from ADDRESS] [ecs PREFIX] -> ANSWER"`)
	}
	s := step{question: question{name: words[0] + "." + w.zone, qtype: dns.StringToType[words[1]]}}
	if words[0] == "@" {
		s.question.name = w.zone
	}
	if s.question.qtype == dns.TypeNone {
		return s, fmt.Errorf("%q is not a type", words[1])
	}
	for pair := range slices.Chunk(words[2:], 2) {
		var err error
		switch pair[0] {
		case "from":
			s.question.from, err = netip.ParseAddr(pair[1])
		case "ecs":
			s.question.subnet, err = netip.ParsePrefix(pair[1])
		default:
			err = fmt.Errorf("%q; expected from or ecs", pair[0])
		}
		if err != nil {
			return s, err
		}
	}
	var err error
	s.want, err = w.readExpectation(strings.TrimSpace(wanted), s.question.qtype, down)
	return s, err
}

func (w *world) readExpectation(text string, qtype uint16, down []netip.Addr) (expectation, error) {
	want := expectation{text: text, ttl: -1, scope: -1}
	answer, rest, _ := strings.Cut(text, ",")
	for property := range strings.SplitSeq(rest, ",") {
		words := strings.Fields(property)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return want, fmt.Errorf("%q; expected a property and a number", property)
		}
		number, err := strconv.Atoi(words[1])
		switch words[0] {
		case "ttl":
			want.ttl = number
		case "scope":
			want.scope = number
		default:
			err = fmt.Errorf("%q; expected ttl or scope", words[0])
		}
		if err != nil {
			return want, err
		}
	}
	if count, of, ok := strings.Cut(answer, " of "); ok {
		var err error
		want.count, err = strconv.Atoi(strings.TrimSpace(count))
		if err == nil {
			want.of, err = w.sum(of, qtype, down)
		}
		return want, err
	}
	want.shares = make(map[string]int)
	for alternative := range strings.SplitSeq(answer, "/") {
		alternative = strings.TrimSpace(alternative)
		weight := 1
		if first, rest, _ := strings.Cut(alternative, " "); rest != "" {
			if number, err := strconv.Atoi(first); err == nil {
				weight, alternative = number, rest
			}
		}
		got, err := w.readAnswer(alternative, qtype, down)
		if err != nil {
			return want, err
		}
		want.shares[got] += weight
	}
	return want, nil
}

// readAnswer turns what is written of one answer into what reply.answer says of it.
func (w *world) readAnswer(text string, qtype uint16, down []netip.Addr) (string, error) {
	first, rest, _ := strings.Cut(text, " ")
	if first == "cname" {
		return "cname " + rest, nil
	}
	if _, isRcode := dns.StringToRcode[text]; isRcode || text == "NODATA" {
		return text, nil
	}
	addrs, err := w.sum(text, qtype, down)
	if err == nil && len(addrs) == 0 {
		err = fmt.Errorf("%q has no address of that type; write NODATA", text)
	}
	return listed(addrs), err
}

// sum reads "nyc + every ams + 192.0.2.1" into the addresses of the asked family.
func (w *world) sum(text string, qtype uint16, down []netip.Addr) ([]netip.Addr, error) {
	isDown := func(addr netip.Addr) bool { return slices.Contains(down, addr) }
	var sum []netip.Addr
	for term := range strings.SplitSeq(text, "+") {
		name, every := strings.CutPrefix(strings.TrimSpace(term), "every ")
		addrs, err := w.addresses(name)
		if err != nil {
			return nil, err
		}
		addrs = slices.Clone(addrs)
		if !every && !slices.Contains(addrs, sumAddr(name)) {
			if up := slices.DeleteFunc(slices.Clone(addrs), isDown); len(up) > 0 {
				addrs = up
			}
		}
		sum = append(sum, slices.DeleteFunc(addrs, func(addr netip.Addr) bool { return addr.Is4() != (qtype == dns.TypeA) })...)
	}
	return sum, nil
}

// sumAddr is the address that a term of a sum is, if it is one.
func sumAddr(term string) netip.Addr {
	addr, _ := netip.ParseAddr(term)
	return addr
}

// alternatives lists the answers that a client may get.
func (e expectation) alternatives() []string { return slices.Sorted(maps.Keys(e.shares)) }
