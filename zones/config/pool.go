package config

import (
	"maps"
	"regexp"
	"strings"

	"gslb/geo"
	"gslb/zones"
	"gslb/zones/problem"
)

// pool is a [pools.NAME] table.
type pool struct {
	*zones.Pool
	at     *problem.Place
	values map[string]string // of the placeholders, except {address}
	used   bool              // by a name

	weighted bool // its table gives it a weight
	weighed  bool // clients are shared by that
	located  bool // clients are led to it by its location

	weightBy, loadBy string // the checks that say its weight and its load
	shares, sheds    bool   // there is a name for which its weight matters, and one for which its load does
}

var varName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) // as placeholder has it

// pool reads a [pools.NAME] table and applies its checks.
func (l *loader) pool(name string, raw rawPool) {
	p := &pool{Pool: &zones.Pool{Index: len(l.set.Pools), Name: name, MinUp: zones.Quorum{Count: 1}, Weight: 1}, at: problem.Top("pools").Key(name)}
	l.pools[name] = p
	l.set.Pools = append(l.set.Pools, p.Pool)
	l.word(p.at, name)

	p.values = map[string]string{placeholderPool: name}
	if raw.Region != nil && l.word(p.at.Key("region"), *raw.Region) {
		p.Region = *raw.Region
		p.values[placeholderRegion] = p.Region
	}
	l.contents(p, &raw)
	l.minUp(p, &raw)
	if raw.Weight != nil {
		p.Weight, p.weighted = l.within(p.at.Key("weight"), *raw.Weight, 0, maxWeight), true
	}
	p.Location = l.location(p.at.Key("location"), raw.Location)
	l.copyOf(p, &raw)
	l.vars(p, raw.Vars)
	l.applyChecks(p, &raw)
}

// contents reads what a pool is answered with.
func (l *loader) contents(p *pool, raw *rawPool) {
	switch {
	case raw.MembersFile != nil && (raw.Members != nil || raw.CNAME != nil || raw.Alias != nil):
		l.Add(p.at.Key("members_file"), "the pool has members, a cname or an alias as well; expected one of them")
	case raw.MembersFile != nil:
		raw.Members = l.membersFile(p, *raw.MembersFile)
	case raw.Members != nil && raw.CNAME != nil:
		l.Add(p.at.Key("cname"), "the pool has members as well; expected one of the two")
	case raw.Alias != nil && (raw.Members != nil || raw.CNAME != nil):
		l.Add(p.at.Key("alias"), "the pool has members or a cname as well; expected one of them")
	case raw.Alias != nil:
		l.alias(p, *raw.Alias)
	case raw.CNAME != nil:
		name, err := hostName(*raw.CNAME)
		if err != nil {
			l.Add(p.at.Key("cname"), "%v", err)
		}
		p.CNAME = name
		p.values[placeholderAddress] = strings.TrimSuffix(name, ".")
	case raw.Members != nil:
		l.members(p, raw.Members)
	}
}

// location reads where a pool is.
func (l *loader) location(at *problem.Place, raw any) *geo.Point {
	if raw == nil {
		return nil
	}
	list, _ := raw.([]any)
	var degrees []float64
	for _, v := range list {
		switch v := v.(type) {
		case int64:
			degrees = append(degrees, float64(v))
		case float64:
			degrees = append(degrees, v)
		}
	}
	if len(list) != 2 || len(degrees) != 2 {
		l.Add(at, "found %s; expected latitude and longitude in degrees, such as [40.7, -74.0]", describe(raw))
		return nil
	}
	p := &geo.Point{Latitude: degrees[0], Longitude: degrees[1]}
	if err := p.Check(); err != nil {
		l.Add(at, "%v", err)
		return nil
	}
	return p
}

// minUp reads how many of a pool's members must be up: of all, and of each family.
func (l *loader) minUp(p *pool, raw *rawPool) {
	ipv4 := 0
	for i := range p.Members {
		if p.Members[i].Address.Is4() {
			ipv4++
		}
	}
	for _, q := range []struct {
		key     string
		raw     any
		of      string
		members int
		quorum  *zones.Quorum
	}{
		{"min_up", raw.MinUp, "members", len(raw.Members), &p.MinUp},
		{"min_up_ipv4", raw.MinUpIPv4, "members with an IPv4 address", ipv4, &p.MinUpIPv4},
		{"min_up_ipv6", raw.MinUpIPv6, "members with an IPv6 address", len(p.Members) - ipv4, &p.MinUpIPv6},
	} {
		at := p.at.Key(q.key)
		switch {
		case p.CNAME != "":
			*q.quorum = zones.Quorum{}
			if q.raw != nil {
				l.Add(at, "the pool has no members, since it is answered with a CNAME; remove one of the two")
			}
		case q.raw == nil:
		case raw.Alias != nil: // how many it has shows later
			l.quorum(at, q.raw, "addresses of an alias that are used", mostAliased, q.quorum)
		case q.members == 0 && len(p.Members) > 0:
			l.Add(at, "the pool has no %s; remove this, or add one", q.of)
		case q.quorum == &p.MinUp || len(p.Members) == len(raw.Members): // otherwise the number is not known
			l.quorum(at, q.raw, q.of, q.members, q.quorum)
		}
	}
}

// quorum reads a count or a percentage of members, which is rounded up.
func (l *loader) quorum(at *problem.Place, raw any, of string, members int, quorum *zones.Quorum) {
	switch v := raw.(type) {
	case int64:
		if members > 0 && (v < 1 || v > int64(members)) {
			l.Add(at, "found %d; expected from 1 to the number of %s, %d", v, of, members)
			return
		}
		*quorum = zones.Quorum{Count: int(v)}
	case string:
		percent, ok := percentage(v)
		if !ok || percent < 1 {
			l.Add(at, `found %q; expected a count such as 1, or a share from "1%%" to "100%%"`, v)
			return
		}
		*quorum = zones.Quorum{Percent: percent}
	default:
		l.Add(at, `found %s; expected a count such as 1, or a share such as "50%%"`, describe(v))
	}
}

// vars reads what the operator's own placeholders stand for.
func (l *loader) vars(p *pool, raw map[string]string) {
	for _, name := range sortedKeys(raw) {
		value, at := raw[name], p.at.Key("vars").Key(name)
		switch {
		case name == placeholderAddress, name == placeholderPool, name == placeholderRegion:
			l.Add(at, "found %q; expected another name, {%s} is built in", name, name)
		case !varName.MatchString(name):
			l.Add(at, `found %q; expected letters, digits and "_", not beginning with a digit`, name)
		default:
			p.values[name] = value
		}
	}
}

// applyChecks makes the targets of a pool.
func (l *loader) applyChecks(p *pool, raw *rawPool) {
	unused := maps.Clone(p.values)
	for _, name := range []string{placeholderAddress, placeholderPool, placeholderRegion} {
		delete(unused, name)
	}
	complete, seen := true, make(map[string]bool)
	for i, name := range raw.Checks {
		at := p.at.Key("checks").Index(i)
		c := l.checks[name]
		switch {
		case c == nil:
			l.Add(at, "there is no check %q; %s", name, meantKey(name, l.checks))
			complete = false
			continue
		case seen[name]:
			l.Add(at, "%q is given twice", name)
			continue
		}
		seen[name] = true
		c.used = true
		for _, t := range c.texts {
			for _, name := range t.names() {
				delete(unused, name)
			}
		}
		l.feedbackOf(p, at, c)
		if c.spec == nil {
			complete = false
		} else if l.canFill(p, at, c) {
			l.applyCheck(p, at, c)
		}
	}
	for _, name := range sortedKeys(unused) {
		if complete {
			l.Add(p.at.Key("vars").Key(name), "no check of the pool uses {%s}; use it, or remove it", name)
		}
	}
}

// canFill reports the placeholders of a check that a pool has no value for.
func (l *loader) canFill(p *pool, at *problem.Place, c *check) bool {
	ok := true
	for _, t := range c.texts {
		for _, name := range t.names() {
			_, known := p.values[name]
			switch {
			case known, name == placeholderAddress:
				continue
			case name == placeholderRegion:
				l.Add(p.at.Key("region"), "missing; check %q uses {region} (%s)", c.name, t.at)
			default:
				known := maps.Clone(p.values)
				known[placeholderAddress] = ""
				l.Add(at, "check %q uses {%s} (%s), which pool %q does not have; %s",
					c.name, name, t.at, p.Name, meantKey(name, known))
			}
			ok = false
		}
	}
	return ok
}

// applyCheck makes the targets of one check, and reports the first that comes out wrong.
func (l *loader) applyCheck(p *pool, at *problem.Place, c *check) {
	if c.perMember() && p.Alias != "" {
		l.applyToAlias(p, at, c, false)
		return
	}
	if !c.perMember() || p.CNAME != "" {
		f := &filling{values: p.values}
		l.apply(p, c, f, &p.Targets)
		if f.err != nil {
			l.Add(at, "check %q for pool %q: %v", c.name, p.Name, f.err)
		}
		return
	}
	for i := range p.Members {
		m := &p.Members[i]
		f := &filling{values: maps.Clone(p.values)}
		f.values[placeholderAddress] = m.Address.String()
		l.apply(p, c, f, &m.Targets)
		if f.err != nil {
			l.Add(at, "check %q for member %s of pool %q: %v", c.name, m.Address, p.Name, f.err)
			return
		}
	}
}
