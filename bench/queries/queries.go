package queries

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"

	"github.com/miekg/dns"
)

// question is one to ask, and what is right to answer.
type question struct {
	name  string // fully qualified
	qtype uint16
	rcode int
	data  []string   // of the answer's records, as text
	or    [][]string // other data that is right as well

	client
	view int // that the client is in, of those of the content
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

// placeMix is A of the names, half of them for a client in a subnet.
func placeMix(c content, r *rand.Rand) question {
	who := atSource(r)
	if r.IntN(2) == 0 {
		who = inSubnet(r)
	}
	return c.askAs(who, r.IntN(c.names), dns.TypeA)
}

// ask is the question for a name's addresses of a family, from anywhere.
func (c content) ask(name int, qtype uint16) question { return c.askAs(client{}, name, qtype) }

// askAs is a client's question for a name's addresses of a family.
func (c content) askAs(who client, name int, qtype uint16) question {
	q := question{name: owner(name) + "." + zone, qtype: qtype, rcode: dns.RcodeSuccess, client: who}
	if c.pools == 0 {
		q.data = texts(c.addrs(name), qtype)
		return q
	}
	policy := c.policy(name)
	if policy == byView {
		q.view = c.clients.view(c.views, who.addr())
	}
	for i, pool := range c.route(name, q.view) {
		data := texts(poolAddrs(pool), qtype)
		switch {
		case i == 0:
			q.data = data
		case policy == all:
			q.data = append(q.data, data...)
		case policy == weighted || policy == sticky:
			q.or = append(q.or, data)
		}
	}
	return q
}

// texts are the addresses of a family.
func texts(addrs []netip.Addr, qtype uint16) []string {
	var found []string
	for _, addr := range addrs {
		if typeOf(addr) == qtype {
			found = append(found, addr.String())
		}
	}
	return found
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
		var err error
		if packed[i], err = q.message().Pack(); err != nil {
			return nil, fmt.Errorf("question for %s: %w", q.name, err)
		}
	}
	return packed, nil
}

// message is what asks the question.
func (q question) message() *dns.Msg {
	message := new(dns.Msg).SetQuestion(q.name, q.qtype)
	message.RecursionDesired = false
	if q.subnet.IsValid() {
		message.SetEdns0(1232, false)
		message.IsEdns0().Option = []dns.EDNS0{q.option()}
	}
	return message
}

// sources are the addresses that the questions come from; nil: from anywhere.
func sources(questions []question) []netip.Addr {
	var found []netip.Addr
	for _, q := range questions {
		if q.source.IsValid() {
			found = append(found, q.source)
		}
	}
	return found
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
