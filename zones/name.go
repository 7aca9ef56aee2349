package zones

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	defaultTTLMin    = 5 * time.Second
	maxFailbackAfter = 7 * 24 * time.Hour
)

// names reads the [zones.NAME.names] table.
func (l *loader) names(z *zone, raw map[string]rawName) {
	z.Names = make([]*Name, 0, len(raw))
	for _, key := range sortedKeys(raw) {
		at := z.at.key("names").key(key)
		name, err := qualify(key, z.Name, true)
		switch {
		case err != nil:
			l.add(at, "%v", err)
		case !dns.IsSubDomain(z.Name, name):
			l.add(at, "%s lies outside the zone; expected a name that ends in %s", name, z.Name)
		case z.steered[name] != nil:
			l.add(at, "the name is given twice, also as %s", z.steered[name])
		default:
			z.steered[name] = at
		}
		steering := l.steering(z, at, raw[key])
		z.Names = append(z.Names, &Name{Name: name, Zone: z.Zone, Steering: steering})
	}
}

// steering reads how a name is steered. Names that are steered alike share one result.
func (l *loader) steering(z *zone, at *place, raw rawName) *Steering {
	if raw.Policy != string(Failover) {
		l.add(at.key("policy"), "found %q; expected %q", raw.Policy, Failover)
	}
	if raw.Failback != "auto" {
		l.add(at.key("failback"), `found %q; expected "auto"`, raw.Failback)
	}
	s := &Steering{
		Policy:        Failover,
		Pools:         l.steeringPools(at.key("pools"), raw.Pools),
		WhenAllDown:   WhenAllDown(raw.WhenAllDown),
		FailbackAfter: raw.FailbackAfter,
	}
	l.durationWithin(at.key("failback_after"), raw.FailbackAfter, 0, maxFailbackAfter)
	l.steeringTTLs(s, z, at, &raw)
	l.whenAllDown(s, at, &raw)

	s.Order, s.Key = s.keys()
	if same := l.steerings[s.Key]; same != nil {
		return same
	}
	s.Index = len(l.set.Steerings)
	l.steerings[s.Key] = s
	l.set.Steerings = append(l.set.Steerings, s)
	return s
}

// steeringPools resolves the pools that a name chooses among.
func (l *loader) steeringPools(at *place, names []string) []*Pool {
	if names != nil && len(names) == 0 {
		l.add(at, "found an empty list; expected at least one pool")
	}
	pools := make([]*Pool, 0, len(names))
	for i, name := range names {
		p := l.poolNamed(at.index(i), name)
		if p == nil {
			continue
		}
		if slices.Contains(pools, p) {
			l.add(at.index(i), "%q is given twice", name)
			continue
		}
		pools = append(pools, p)
	}
	return pools
}

// poolNamed returns a pool that a name uses, or reports that there is none.
func (l *loader) poolNamed(at *place, name string) *Pool {
	p := l.pools[name]
	if p == nil {
		l.add(at, "there is no pool %q; %s", name, suggest(name, sortedKeys(l.pools)))
		return nil
	}
	p.used = true
	return p.Pool
}

func (l *loader) steeringTTLs(s *Steering, z *zone, at *place, raw *rawName) {
	s.TTL = z.TTL
	if raw.TTL != nil {
		s.TTL = *raw.TTL
		l.ttl(at.key("ttl"), s.TTL)
	}
	s.TTLMin = min(s.TTL, defaultTTLMin)
	if raw.TTLMin != nil {
		s.TTLMin = *raw.TTLMin
		if l.ttl(at.key("ttl_min"), s.TTLMin) && s.TTLMin > s.TTL {
			l.add(at.key("ttl_min"), "found %s; expected at most the ttl, %s", short(s.TTLMin), short(s.TTL))
		}
	}
}

// whenAllDown reads what a name answers when none of its pools is left. The fallback may be
// one of them: it is then answered whatever its status.
func (l *loader) whenAllDown(s *Steering, at *place, raw *rawName) {
	modes := []string{string(AssumeUp), string(LastGood), string(UseFallback), string(ServFail)}
	if !slices.Contains(modes, raw.WhenAllDown) {
		l.add(at.key("when_all_down"), "found %q; expected %s", raw.WhenAllDown, oneOf(modes))
	}
	switch {
	case raw.Fallback != nil:
		if p := l.poolNamed(at.key("fallback"), *raw.Fallback); p != nil {
			s.Fallback = p
		}
		if s.WhenAllDown != UseFallback {
			l.add(at.key("fallback"), `when_all_down is %q, which does not use it; expected when_all_down = "fallback", or none`, raw.WhenAllDown)
		}
	case s.WhenAllDown == UseFallback:
		l.add(at.key("fallback"), `missing; expected a pool, since when_all_down is "fallback"`)
	}
}

// keys writes a steering down in one canonical way: what it chooses among, and all of it.
// The names of pools hold no comma or space.
func (s *Steering) keys() (order, key string) {
	pools := make([]string, len(s.Pools))
	for i, p := range s.Pools {
		pools[i] = p.Name
	}
	order = fmt.Sprintf("%s pools=%s", s.Policy, strings.Join(pools, ","))
	key = fmt.Sprintf("%s ttl=%s ttl_min=%s when_all_down=%s failback_after=%s",
		order, short(s.TTL), short(s.TTLMin), s.WhenAllDown, short(s.FailbackAfter))
	if s.Fallback != nil {
		key += " fallback=" + s.Fallback.Name
	}
	return order, key
}
