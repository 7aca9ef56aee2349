package config

import (
	"bytes"
	"net/netip"
	"strings"

	"gslb/internal/wire"
	"gslb/zones"
	"gslb/zones/problem"
	"gslb/zones/records"
)

// members reads the addresses of a pool.
func (l *loader) members(p *pool, list []string) {
	at := p.at.Key("members")
	if list != nil && len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one address")
	}
	for _, addr := range l.addresses(at, list) {
		p.Members = append(p.Members, zones.Member{Address: addr})
	}
	l.fits(at, p.Members)
}

// fits reports a pool with more addresses than fit in a reply, which could never be answered.
func (l *loader) fits(at *problem.Place, members []zones.Member) {
	ipv4 := 0
	for _, m := range members {
		if m.Address.Is4() {
			ipv4++
		}
	}
	for _, family := range []struct {
		name        string
		count, size int
	}{{"IPv4", ipv4, 4}, {"IPv6", len(members) - ipv4, 16}} {
		if most := (records.MaxSet - wire.MaxName) / (records.RecordHead + family.size); family.count > most {
			l.Add(at, "found %d %s addresses; expected at most %d, since no reply carries more", family.count, family.name, most)
		}
	}
}

// addresses reads a list of distinct unicast addresses.
func (l *loader) addresses(at *problem.Place, list []string) []netip.Addr {
	return distinct(l, at, list, parsed(l, unicastAddress))
}

// membersFile reads the addresses of a pool from a file, which another program may write. It returns them as
// they stand there. A "#" and what follows it is a comment.
func (l *loader) membersFile(p *pool, name string) (texts []string) {
	at := p.at.Key("members_file")
	data, err := l.files.readSmall(l.files.path(name))
	if err != nil {
		l.Add(at, "found %q; expected a readable file of addresses: %v", name, err)
		return nil
	}
	type fault struct {
		line int
		err  error
	}
	var faults []fault
	seen := make(map[netip.Addr]bool)
	for i, line := range bytes.Split(data, []byte("\n")) {
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		addr, err := unicastAddress(text)
		switch {
		case err != nil:
			faults = append(faults, fault{i + 1, err})
			continue
		case seen[addr]:
			l.AddLine(at, problem.Source{File: name, Line: i + 1}, "%q is given twice", text)
			continue
		}
		seen[addr] = true
		p.Members = append(p.Members, zones.Member{Address: addr})
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		// No line is quoted: the file may be a secret that was named by mistake.
		l.Add(at, "found no address in %q; expected one a line, and at least one", name)
		return nil
	}
	for _, f := range faults {
		l.AddLine(at, problem.Source{File: name, Line: f.line}, "%v", f.err)
	}
	l.fits(at, p.Members)
	return texts
}
