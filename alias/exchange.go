package alias

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// exchangeWait is how long one server has for its reply over one transport.
	exchangeWait = 2 * time.Second

	// udpSize is the largest reply over UDP that is asked for: it is not fragmented on any usual path.
	udpSize = 1232
)

// exchange asks one server a question over UDP, and over TCP if the reply does not fit. Every query
// has a socket, and so a port, of its own, and a random ID (RFC 5452, section 9.2).
func exchange(ctx context.Context, server netip.AddrPort, q dns.Question) (*dns.Msg, error) {
	reply, err := over(ctx, "udp", server, newQuery(q, true))
	if err == nil && isOld(reply) {
		reply, err = over(ctx, "udp", server, newQuery(q, false))
	}
	if err == nil && reply.Truncated {
		if reply, err = over(ctx, "tcp", server, newQuery(q, true)); err == nil && isOld(reply) {
			reply, err = over(ctx, "tcp", server, newQuery(q, false))
		}
	}
	return reply, err
}

func newQuery(q dns.Question, edns bool) *dns.Msg {
	query := &dns.Msg{Question: []dns.Question{q}}
	query.Id, query.RecursionDesired = dns.Id(), true
	if edns {
		query.SetEdns0(udpSize, false)
	}
	return query
}

// isOld reports whether a reply comes from a server that knows no EDNS (RFC 6891, section 7).
func isOld(reply *dns.Msg) bool {
	return (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) && reply.IsEdns0() == nil
}

// over sends a query over one transport, and waits for its reply.
func over(ctx context.Context, network string, server netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeWait)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	defer context.AfterFunc(ctx, func() { plain.SetDeadline(time.Unix(1, 0)) })()
	conn := &dns.Conn{Conn: plain, UDPSize: udpSize}
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	for {
		data, err := conn.ReadMsgHeader(nil)
		if err != nil && !errors.Is(err, dns.ErrShortRead) {
			return nil, err
		}
		// Over UDP, what is no reply to the query may come from anybody who knows the port.
		reply, err := replyTo(query, data)
		if !errors.Is(err, errOther) {
			return reply, err
		}
		if network == "tcp" {
			return nil, err
		}
	}
}

// errOther says that a message is no reply to the query; errMalformed, that it is one that can't be
// read.
var (
	errOther     = errors.New("the message is no reply to the query")
	errMalformed = errors.New("malformed reply")
)

const headerSize = 12

// replyTo reads a message that should be the reply to a query (RFC 5452, section 9.1).
func replyTo(query *dns.Msg, data []byte) (*dns.Msg, error) {
	const response, truncated = 0x80, 0x02 // in the third octet
	if len(data) < headerSize || binary.BigEndian.Uint16(data) != query.Id || data[2]&response == 0 {
		return nil, errOther
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(data); err != nil {
		if data[2]&truncated != 0 { // it may be cut off anywhere
			return &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Truncated: true}}, nil
		}
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	switch {
	case reply.Opcode != dns.OpcodeQuery:
		return nil, errOther
	case len(reply.Question) == 0 && reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError:
		return reply, nil // some servers leave the question out of an error
	case len(reply.Question) != 1 || !sameQuestion(reply.Question[0], query.Question[0]):
		return nil, errOther
	}
	return reply, nil
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

// explain makes what an exchange that failed says.
func explain(err error) said {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return failure("timeout", "no reply within %s", exchangeWait)
	case errors.Is(err, errMalformed), errors.Is(err, errOther):
		return failure("malformed", "%v", err)
	}
	// Without the addresses of the connection: its port is another each time, and the server's is
	// known.
	if op := new(net.OpError); errors.As(err, &op) {
		err = op.Err
	}
	return failure("network", "%v", err)
}
