package server

import (
	"strings"

	"github.com/miekg/dns"

	"gslb/answer"
)

// chaos answers a question of class CH, which is asked to tell servers apart (RFC 4892).
// What is not set, and everything else, is REFUSED. There is no zone, and so no AA.
func (s *Settings) chaos(qname string, qtype uint16) answer.Reply {
	var text string
	switch strings.ToLower(qname) {
	case "id.server.", "hostname.bind.":
		text = s.ID
	case "version.server.", "version.bind.":
		text = s.Version
	}
	if text == "" || qtype != dns.TypeTXT && qtype != dns.TypeANY {
		return answer.Reply{Rcode: dns.RcodeRefused}
	}
	return answer.Reply{Kind: answer.Positive, Answer: []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: qname, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS},
		Txt: []string{strings.ReplaceAll(text, `\`, `\\`)}, // package dns reads escapes
	}}}
}
