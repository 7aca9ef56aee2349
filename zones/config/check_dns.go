package config

import (
	"fmt"

	"github.com/miekg/dns"

	"gslb/health"
	"gslb/zones/problem"
)

// What the key transport may say.
const (
	overUDP = "udp"
	overTCP = "tcp"
)

// dnsCheck reads what is particular to a check of type dns.
func (l *loader) dnsCheck(c *check, raw *rawDNS) {
	expect := c.at.Key("expect")
	template := health.DNS{
		Type:        l.questionType(c.at.Key("qtype"), raw.QType),
		TCP:         l.overTCP(c, raw),
		NoRecursion: !raw.Recursion,
		Rcodes:      l.rcodes(expect.Key("rcode"), raw.Expect.Rcode),
		Pattern:     l.pattern(expect.Key("answer"), raw.Expect.Answer),
	}
	link := l.linkByKey(c, &raw.rawLink)
	if raw.Name == nil || raw.Server == nil && raw.Target == nil {
		return
	}
	var server *text
	if raw.Server != nil {
		server = l.text(c, c.at.Key("server"), *raw.Server, always, readHostPort)
	}
	name := l.text(c, c.at.Key("name"), *raw.Name, never, readQuestion)
	c.spec = func(f *filling) health.Spec {
		spec := template
		spec.Server, spec.Link, spec.Name = f.fill(server), link.fill(f), f.fill(name)
		return &spec
	}
}

// overTCP reads over what the question is sent, and reports what UDP has not.
func (l *loader) overTCP(c *check, raw *rawDNS) bool {
	switch raw.Transport {
	case overTCP:
		return true
	case overUDP:
	default:
		l.Add(c.at.Key("transport"), `found %q; expected "udp" or "tcp"`, raw.Transport)
		return true
	}
	if raw.secure() {
		l.Add(c.at.Key("tls"), `the transport is UDP, so that no TLS is spoken; set transport = "tcp", or remove this`)
	}
	if raw.Proxy {
		l.Add(c.at.Key("proxy_protocol"), `the transport is UDP, which has no such header; set transport = "tcp", or remove this`)
	}
	return false
}

// questionType reads the type of what is asked for.
func (l *loader) questionType(at *problem.Place, name string) string {
	switch kind := dns.StringToType[name]; kind {
	case dns.TypeNone, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeMAILA, dns.TypeMAILB, dns.TypeNULL, dns.TypeReserved:
		l.Add(at, `found %q; expected the type of a record, such as "A" or "SOA"`, name)
	}
	return name
}

// rcodes reads which response codes pass.
func (l *loader) rcodes(at *problem.Place, list []string) []string {
	if list != nil && len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one response code, since nothing could ever pass")
	}
	return distinct(l, at, list, parsed(l, func(name string) (string, error) {
		// A larger code needs an extension of DNS that the question has not.
		if code, ok := dns.StringToRcode[name]; !ok || code > 15 || dns.RcodeToString[code] != name {
			return "", fmt.Errorf(`found %q; expected a response code such as "NOERROR" or "NXDOMAIN"`, name)
		}
		return name, nil
	}))
}

// readQuestion reads the name that is asked for.
func readQuestion(s string) (string, error) {
	if s == "." {
		return s, nil
	}
	return domainName(s)
}
