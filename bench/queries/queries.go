package queries

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"

	"github.com/miekg/dns"
)

// question is one to ask, and what is right to answer.
type question struct {
	name  string // fully qualified
	qtype uint16
	rcode int
	data  []string // of the answer's records, as text
}

// mix makes a question from a source of randomness.
type mix func(content, *rand.Rand) question

// steeredMix is what the clients of a load-balancing server ask for: 80 % A, 10 % AAAA, 5 %
// of names that do not exist, 5 % for the apex's NS.
func steeredMix(c content, r *rand.Rand) question {
	switch share := r.IntN(100); {
	case share < 80:
		return c.ask(r.IntN(c.names), dns.TypeA)
	case share < 90:
		return c.ask(r.IntN(c.names), dns.TypeAAAA)
	case share < 95:
		return nonexistent(fmt.Sprintf("missing%d", r.IntN(1000)))
	default:
		return apexNS()
	}
}

// randomMix is an attack by random subdomains, of which hardly any comes twice.
func randomMix(_ content, r *rand.Rand) question {
	return nonexistent(fmt.Sprintf("%012x", r.Uint64N(1<<48)))
}

// nameMix is A of the names alone.
func nameMix(c content, r *rand.Rand) question { return c.ask(r.IntN(c.names), dns.TypeA) }

// ask is the question for a name's addresses of a family.
func (c content) ask(name int, qtype uint16) question {
	q := question{name: owner(name) + "." + zone, qtype: qtype, rcode: dns.RcodeSuccess}
	for _, addr := range c.addrs(name) {
		if typeOf(addr) == qtype {
			q.data = append(q.data, addr.String())
		}
	}
	return q
}

func nonexistent(label string) question {
	return question{name: label + "." + zone, qtype: dns.TypeA, rcode: dns.RcodeNameError}
}

func apexNS() question {
	q := question{name: zone, qtype: dns.TypeNS, rcode: dns.RcodeSuccess}
	for _, ns := range nameservers {
		q.data = append(q.data, ns.Label+"."+zone)
	}
	return q
}

// questions are always the same ones, without end.
func (c content) questions(m mix) iter.Seq[question] {
	return func(yield func(question) bool) {
		for r := rand.New(rand.NewPCG(1, 2)); yield(m(c, r)); {
		}
	}
}

// first returns the first so many of the questions.
func (c content) first(m mix, count int) []question {
	questions := make([]question, 0, count)
	for q := range c.questions(m) {
		if len(questions) == count {
			break
		}
		questions = append(questions, q)
	}
	return questions
}

// write writes the first so many questions as dnsperf reads them, a name and a type on each
// line, and returns the share of those whose names do not exist.
func (c content) write(w io.Writer, m mix, count int) (negative float64, err error) {
	b := bufio.NewWriter(w)
	written, negatives := 0, 0
	for q := range c.questions(m) {
		if written == count {
			break
		}
		written++
		if q.rcode == dns.RcodeNameError {
			negatives++
		}
		fmt.Fprintln(b, q.name, dns.TypeToString[q.qtype])
	}
	return float64(negatives) / float64(written), b.Flush()
}

// pack makes the messages that ask the questions.
func pack(questions []question) ([][]byte, error) {
	packed := make([][]byte, len(questions))
	for i, q := range questions {
		message := new(dns.Msg).SetQuestion(q.name, q.qtype)
		message.RecursionDesired = false
		var err error
		if packed[i], err = message.Pack(); err != nil {
			return nil, fmt.Errorf("question for %s: %w", q.name, err)
		}
	}
	return packed, nil
}

// negatives is the share of the questions whose names do not exist.
func negatives(questions []question) float64 {
	count := 0
	for _, q := range questions {
		if q.rcode == dns.RcodeNameError {
			count++
		}
	}
	return float64(count) / float64(len(questions))
}
