package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"gslb/health"
)

// maxDatagram is how much is read of one answer over UDP. Without EDNS, no more than 512 bytes may come
// (RFC 1035, section 4.2.1).
const maxDatagram = 4 << 10

// dnsProbe asks a server one question, and judges the answer.
type dnsProbe struct {
	spec     *health.DNS
	network  *network
	datagram endpoint // for UDP
	stream   endpoint // for TCP, with TLS where that is spoken (RFC 7858)
	question dns.Question
}

func newDNS(n *network, spec *health.DNS) (health.Probe, error) {
	p := &dnsProbe{spec: spec, network: n}
	p.question = dns.Question{Name: spec.Name, Qtype: dns.StringToType[spec.Type], Qclass: dns.ClassINET}
	if _, ok := dns.IsDomainName(spec.Name); !ok || !dns.IsFqdn(spec.Name) {
		return nil, fmt.Errorf("name: %q is not a fully qualified domain name", spec.Name)
	}
	if p.question.Qtype == dns.TypeNone {
		return nil, fmt.Errorf("type: %q is not known", spec.Type)
	}
	if len(spec.Rcodes) == 0 {
		return nil, errors.New("rcodes: the list is empty, so that nothing could pass")
	}
	var err error
	p.stream, err = endpointOf(&spec.Link, spec.Server, "dot")
	p.datagram = endpoint{address: p.stream.address, datagrams: true}
	return p.probe, err
}

func (p *dnsProbe) probe(ctx context.Context) health.Result {
	query := new(dns.Msg)
	query.Id = dns.Id()
	query.RecursionDesired = !p.spec.NoRecursion
	query.Question = []dns.Question{p.question}
	packed, err := query.Pack()
	if err != nil {
		return indeterminate("local", "the question cannot be written: %v", err)
	}
	if !p.spec.TCP {
		reply, err := p.overUDP(ctx, query, packed)
		if err != nil || !reply.Truncated {
			return p.result(ctx, reply, err)
		}
	}
	conn, err := p.network.connect(ctx, p.stream)
	if err != nil {
		return classify(ctx, err)
	}
	defer conn.close()
	reply, err := p.overTCP(ctx, conn, query, packed)
	return p.network.expiring(conn, &p.spec.TLS, p.result(ctx, reply, err))
}

// result is what an answer, or none, comes to.
func (p *dnsProbe) result(ctx context.Context, reply *dns.Msg, err error) health.Result {
	var odd notAnAnswer
	switch {
	case errors.As(err, &odd):
		return fail("protocol", "%v", err)
	case err != nil:
		return classify(ctx, err)
	}
	return p.judge(reply)
}

// judge judges an answer to the question.
//
//	the rcode is   a pattern   a record of the answer matches   verdict
//	not wanted     whatever    whatever                         fail
//	wanted         none        whatever                         pass
//	wanted         given       yes                              pass
//	wanted         given       no                               fail
func (p *dnsProbe) judge(reply *dns.Msg) health.Result {
	rcode := rcodeName(reply.Rcode)
	if !slices.Contains(p.spec.Rcodes, rcode) {
		return fail("rcode", "%s, want %s", rcode, strings.Join(p.spec.Rcodes, " or "))
	}
	if p.spec.Pattern == nil {
		return pass(fmt.Sprintf("%s, %d in the answer", rcode, len(reply.Answer)))
	}
	var all []string
	for _, record := range reply.Answer {
		data := strings.TrimPrefix(record.String(), record.Header().String())
		if p.spec.Pattern.MatchString(data) {
			return pass(fmt.Sprintf("%s, the answer matches", rcode))
		}
		all = append(all, data)
	}
	if len(all) == 0 {
		return fail("answer", "%s, and nothing in the answer; want something that matches %q", rcode, p.spec.Pattern)
	}
	return fail("answer", "%s", found{text: []byte(strings.Join(all, ", "))}.mismatch("the answer", p.spec.Pattern))
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}

// overUDP asks over UDP. After a third of the time the question is sent a second time, so that one lost packet
// fails no probe. What is not an answer to it is ignored: it may be forged, or belong to something else.
func (p *dnsProbe) overUDP(ctx context.Context, query *dns.Msg, packed []byte) (*dns.Msg, error) {
	conn, err := p.network.connect(ctx, p.datagram)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	send := func() error {
		began := time.Now()
		_, err := conn.Write(packed)
		p.asked(ctx, query, began, "UDP", err)
		return err
	}
	if err := send(); err != nil {
		return nil, conn.fault(sending, err)
	}
	if deadline, limited := ctx.Deadline(); limited {
		again := time.AfterFunc(time.Until(deadline)/3, func() { _ = send() })
		defer again.Stop()
	}
	began, data := time.Now(), make([]byte, maxDatagram)
	var odd error
	for {
		n, err := conn.Read(data)
		switch {
		case err != nil && odd != nil:
			return nil, odd
		case err != nil:
			return nil, conn.fault(waiting, err)
		}
		reply, err := answerTo(query, data[:n])
		p.replied(ctx, reply, began, n, "UDP", err)
		if err == nil {
			return reply, nil
		}
		odd = err
	}
}

// overTCP asks over TCP, or TLS (RFC 1035, section 4.2.2).
func (p *dnsProbe) overTCP(ctx context.Context, conn *connection, query *dns.Msg, packed []byte) (*dns.Msg, error) {
	began := time.Now()
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...))
	p.asked(ctx, query, began, "TCP", err)
	if err != nil {
		return nil, conn.fault(sending, err)
	}
	began = time.Now()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, conn.fault(waiting, err)
	}
	data := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, data); err != nil {
		return nil, conn.fault(reading, err)
	}
	reply, err := answerTo(query, data)
	p.replied(ctx, reply, began, len(data), "TCP", err)
	return reply, err
}

// notAnAnswer is why a message is not an answer to a question.
type notAnAnswer string

func (e notAnAnswer) Error() string { return "what came is no answer to the question: " + string(e) }

// answerTo reads a message, and verifies that it answers a query (RFC 5452, section 9.1):
//
//	the message                           it is an answer
//	can't be read                         no, unless it is truncated
//	is a query, or has another id         no
//	has the question                      yes
//	has another question, or several      no
//	has no question, and an error         yes: so do servers that can't read the query
//	has no question, and none             no
func answerTo(query *dns.Msg, data []byte) (*dns.Msg, error) {
	reply := new(dns.Msg)
	err := reply.Unpack(data)
	asked := query.Question[0]
	switch {
	case len(data) < 12:
		return nil, notAnAnswer(fmt.Sprintf("it has %d bytes, and a header has 12", len(data)))
	case reply.Id != query.Id:
		return nil, notAnAnswer(fmt.Sprintf("its id is %d, and that of the question is %d", reply.Id, query.Id))
	case !reply.Response:
		return nil, notAnAnswer("it is a query itself")
	case err != nil && !reply.Truncated:
		return nil, notAnAnswer(strings.TrimPrefix(err.Error(), "dns: "))
	case len(reply.Question) == 0 && (reply.Rcode != dns.RcodeSuccess || reply.Truncated):
		return reply, nil
	case len(reply.Question) != 1:
		return nil, notAnAnswer(fmt.Sprintf("it has %d questions", len(reply.Question)))
	}
	if q := reply.Question[0]; q.Qtype != asked.Qtype || q.Qclass != asked.Qclass || !strings.EqualFold(q.Name, asked.Name) {
		return nil, notAnAnswer(fmt.Sprintf("its question is %s %s", q.Name, dns.Type(q.Qtype)))
	}
	return reply, nil
}

// asked traces a question.
func (p *dnsProbe) asked(ctx context.Context, query *dns.Msg, began time.Time, over string, err error) {
	if trace := traceOf(ctx); trace != nil {
		trace.step(Step{Phase: Request, Began: began, Text: "over " + over, Data: []byte(query.String())}, err)
	}
}

// replied traces what came back.
func (p *dnsProbe) replied(ctx context.Context, reply *dns.Msg, began time.Time, size int, over string, err error) {
	trace := traceOf(ctx)
	if trace == nil {
		return
	}
	step := Step{Phase: Response, Began: began, Text: fmt.Sprintf("%d bytes over %s", size, over)}
	if reply != nil {
		step.Data = []byte(reply.String())
	}
	trace.step(step, err)
}
