package respond

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"gslb/answer"
	"gslb/internal/wire"
)

// pack makes the message that answers q with reply and opt, the packed OPT record if there is
// to be one, of at most limit bytes. It writes into buf if that is large enough. It fails only
// for records that cannot be packed.
func pack(buf []byte, q *query, reply answer.Reply, opt []byte, limit int) ([]byte, error) {
	msg := dns.Msg{
		MsgHdr: dns.MsgHdr{
			Id:               q.id,
			Response:         true,
			Opcode:           q.opcode,
			Authoritative:    reply.Authoritative,
			RecursionDesired: q.rd,
			Rcode:            reply.Rcode & 0xf, // of the rest, which goes into OPT, there is any only for BADVERS and BADCOOKIE
		},
		Compress: true,
		Answer:   reply.Answer,
		Ns:       reply.Authority,
		Extra:    reply.Additional,
	}
	if q.hasQuestion() {
		msg.Question = []dns.Question{{Name: q.name, Qtype: q.qtype, Qclass: q.qclass}}
	}
	out, err := msg.PackBuffer(buf)
	if err != nil {
		return nil, fmt.Errorf("pack the reply to %s %s: %w", q.name, dns.Type(q.qtype), err)
	}

	if room := limit - len(opt); len(out) > room {
		out = shorten(out, q.questionEnd, reply, room)
	}
	out = appendOPT(out, opt)
	if q.tsig != nil {
		out = appendTSIG(out, limit, q.tsig)
	}
	return out, nil
}

// appendOPT appends a packed OPT record, if there is one, to a message, and counts it.
func appendOPT(msg, opt []byte) []byte {
	if len(opt) == 0 {
		return msg
	}
	countAdditional(msg)
	return append(msg, opt...)
}

// shorten makes a packed message fit in room; the answer section begins at start.
//
// No RRset is ever split. What is additional is given up first, whole RRsets from the end
// (RFC 2181, section 9); losing glue that a referral needs sets TC (RFC 9471, section 3.1).
// If answer and authority alone do not fit, neither is sent, and TC tells the client to
// come back over TCP: it would have to discard a part of them anyway, and a forged query
// gains nothing.
//
// Compression pointers point backwards, so that whatever stays remains valid.
func shorten(msg []byte, start int, reply answer.Reply, room int) []byte {
	end := start
	for range len(reply.Answer) + len(reply.Authority) {
		end = recordEnd(msg, end)
	}
	if end > room {
		clear(msg[wire.OffANCount:wire.HeaderSize])
		truncate(msg)
		return msg[:start]
	}

	kept := 0
	for i, off := 0, end; i < len(reply.Additional); i++ {
		if off = recordEnd(msg, off); off > room {
			break
		}
		if i+1 == len(reply.Additional) || !sameRRset(reply.Additional[i], reply.Additional[i+1]) {
			kept, end = i+1, off
		}
	}
	binary.BigEndian.PutUint16(msg[wire.OffARCount:], uint16(kept))
	if needsGlue(reply, reply.Additional[kept:]) {
		truncate(msg)
	}
	return msg[:end]
}

func truncate(msg []byte) {
	binary.BigEndian.PutUint16(msg[wire.OffFlags:], binary.BigEndian.Uint16(msg[wire.OffFlags:])|wire.FlagTC)
}

// recordEnd is readRecord for a message that was packed here.
func recordEnd(msg []byte, off int) int {
	_, end, ok := readRecord(msg, off)
	if !ok {
		panic("server: a packed message does not parse")
	}
	return end
}

func sameRRset(a, b dns.RR) bool {
	x, y := a.Header(), b.Header()
	return x.Rrtype == y.Rrtype && x.Class == y.Class && strings.EqualFold(x.Name, y.Name)
}

// needsGlue reports whether reply is a referral that cannot be followed without one of
// the dropped records: the address of a name server that lies below the delegation.
func needsGlue(reply answer.Reply, dropped []dns.RR) bool {
	for _, rr := range reply.Authority {
		ns, ok := rr.(*dns.NS)
		if !ok || strings.EqualFold(ns.Hdr.Name, reply.Zone) || !dns.IsSubDomain(ns.Hdr.Name, ns.Ns) {
			continue
		}
		for _, glue := range dropped {
			if strings.EqualFold(glue.Header().Name, ns.Ns) {
				return true
			}
		}
	}
	return false
}

// unpackTSIG reads the TSIG record at off, the last of msg.
func unpackTSIG(msg []byte, off int) (*dns.TSIG, bool) {
	rr, end, err := dns.UnpackRR(msg, off)
	if err != nil || end != len(msg) {
		return nil, false
	}
	tsig, ok := rr.(*dns.TSIG)
	if !ok || tsig.Algorithm == "" { // a record without data unpacks to empty fields
		return nil, false
	}
	return tsig, true
}

// appendTSIG appends the TSIG of a refusal to msg, and counts it: what the client sent,
// unsigned and with the error BADKEY (RFC 8945, sections 5.2.1 and 5.3.2). One that does
// not fit in limit is left out, and TC set.
func appendTSIG(msg []byte, limit int, sent *dns.TSIG) []byte {
	refusal := &dns.TSIG{
		Hdr:        dns.RR_Header{Name: sent.Hdr.Name, Rrtype: dns.TypeTSIG, Class: dns.ClassANY},
		Algorithm:  sent.Algorithm,
		TimeSigned: sent.TimeSigned,
		Fudge:      sent.Fudge,
		OrigId:     sent.OrigId,
		Error:      dns.RcodeBadKey,
	}
	start := len(msg)
	msg = append(msg, make([]byte, dns.Len(refusal))...)
	end, err := dns.PackRR(refusal, msg, start, nil, false)
	if err != nil || end > limit {
		msg = msg[:start]
		truncate(msg)
		return msg
	}
	countAdditional(msg)
	return msg[:end]
}
