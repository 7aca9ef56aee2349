package server

import "github.com/miekg/dns"

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
