package config

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gslb/zones"
	"gslb/zones/problem"
	"gslb/zones/records"
)

const (
	defaultTTLMin    = 5 * time.Second
	maxFailbackAfter = 7 * 24 * time.Hour
)

// names reads the [zones.NAME.names] table.
func (l *loader) names(z *zone, raw rawTable) {
	list := make([]zones.Name, len(raw)) // in one piece, since there may be very many
	z.Names = make([]*zones.Name, len(raw))
	z.facts.Steered = make([]records.SteeredName, 0, len(raw))
	for i, key := range sortedKeys(raw) {
		name, err := qualify(key, z.Name, true)
		if err != nil {
			l.Add(z.nameAt(key), "%v", err)
		} else if place, inside := records.KeyOf(name, z.apex); !inside {
			l.Add(z.nameAt(key), "%s lies outside the zone; expected a name that ends in %s", name, z.Name)
		} else {
			z.facts.Steered = append(z.facts.Steered, records.SteeredName{Key: place, Name: name, Raw: key})
		}
		list[i] = zones.Name{Name: name, Zone: z.Zone, Steering: l.steeringOf(z, key, raw[key])}
		z.Names[i] = &list[i]
	}
	steered := z.facts.Steered
	slices.SortStableFunc(steered, func(a, b records.SteeredName) int { return bytes.Compare(a.Key, b.Key) })
	for i := 1; i < len(steered); i++ {
		if n, before := steered[i], steered[i-1]; bytes.Equal(n.Key, before.Key) {
			l.Add(z.nameAt(n.Raw), "the name is given twice, also as %s", z.nameAt(before.Raw))
		}
	}
}

// nameAt is the place of a steered name.
func (z *zone) nameAt(key string) *problem.Place { return z.facts.SteeredAt.Key(key) }

// steeringOf reads how a name is steered. Names that are steered alike share one result, and
// those whose tables are the same are not read again.
func (l *loader) steeringOf(z *zone, key string, v any) *zones.Steering {
	l.signature = appendSignature(l.signature[:0], z.TTL, v, l.decoder.fieldsOf(reflect.TypeFor[rawName]()))
	if s := l.alike[string(l.signature)]; s != nil && len(l.signature) > 0 {
		return s
	}
	signature, before := string(l.signature), l.Len()
	at := z.nameAt(key)
	var raw rawName
	if !l.decoder.element(at, v, &raw) {
		return nil
	}
	s := l.steering(z, at, raw)
	if l.Len() == before {
		l.alike[signature] = s
	}
	return s
}

// appendSignature appends what tells the table of a name in a zone from others that do not mean
// the same; nothing if it holds what no such table has.
func appendSignature(dst []byte, ttl time.Duration, v any, fields []field) []byte {
	table, isTable := v.(map[string]any)
	if !isTable {
		return nil
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(ttl))
	known := 0
	for _, f := range fields {
		value, ok := table[f.key]
		if !ok {
			dst = append(dst, '-')
			continue
		}
		known++
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
			dst = append(dst, '=')
		}
		for _, item := range list {
			text, isString := item.(string)
			if !isString {
				return nil
			}
			dst = binary.BigEndian.AppendUint32(append(dst, 's'), uint32(len(text)))
			dst = append(dst, text...)
		}
		dst = append(dst, '.')
	}
	if known < len(table) {
		return nil
	}
	return dst
}

// steering makes the finished form of how a name is steered.
func (l *loader) steering(z *zone, at *problem.Place, raw rawName) *zones.Steering {
	if raw.Policy != string(zones.Failover) {
		l.Add(at.Key("policy"), "found %q; %s", raw.Policy, meant(raw.Policy, []string{string(zones.Failover)}))
	}
	if raw.Failback != "auto" {
		l.Add(at.Key("failback"), "found %q; %s", raw.Failback, meant(raw.Failback, []string{"auto"}))
	}
	s := &zones.Steering{
		Policy:        zones.Failover,
		Fixed:         true,
		Pools:         l.steeringPools(at.Key("pools"), raw.Pools),
		WhenAllDown:   zones.WhenAllDown(raw.WhenAllDown),
		FailbackAfter: raw.FailbackAfter.Duration,
	}
	l.durationWithin(at.Key("failback_after"), raw.FailbackAfter, 0, maxFailbackAfter)
	l.steeringTTLs(s, z, at, &raw)
	l.whenAllDown(s, at, &raw)

	route := &zones.Route{Order: orderOf(s.Pools)}
	for _, p := range s.Pools {
		route.Tiers = append(route.Tiers, zones.Tier{Shares: []zones.Share{{Pool: p, Weight: 1}}})
	}
	s.Key = steeringKey(s, route.Order)
	if same := l.steerings[s.Key]; same != nil {
		return same
	}
	s.Index = len(l.set.Steerings)
	l.steerings[s.Key] = s
	l.set.Steerings = append(l.set.Steerings, s)
	route.Index, route.Key, route.Steering = len(l.set.Routes), s.Key, s
	s.Routes = []*zones.Route{route}
	l.set.Routes = append(l.set.Routes, route)
	return s
}

// steeringPools resolves the pools that a name chooses among.
func (l *loader) steeringPools(at *problem.Place, names []string) []*zones.Pool {
	if names != nil && len(names) == 0 {
		l.Add(at, "found an empty list; expected at least one pool")
	}
	return distinct(l, at, names, func(at *problem.Place, name string) (*zones.Pool, bool) {
		p := l.poolNamed(at, name)
		return p, p != nil
	})
}

// poolNamed returns a pool that a name uses, or reports that there is none.
func (l *loader) poolNamed(at *problem.Place, name string) *zones.Pool {
	p := l.pools[name]
	if p == nil {
		l.Add(at, "there is no pool %q; %s", name, meantKey(name, l.pools))
		return nil
	}
	p.used = true
	return p.Pool
}

func (l *loader) steeringTTLs(s *zones.Steering, z *zone, at *problem.Place, raw *rawName) {
	ttl := z.ttl
	if raw.TTL != nil {
		ttl = *raw.TTL
		l.ttl(at.Key("ttl"), ttl)
	}
	s.TTL = ttl.Duration
	s.TTLMin = min(s.TTL, defaultTTLMin)
	if raw.TTLMin != nil {
		s.TTLMin = raw.TTLMin.Duration
		if l.ttl(at.Key("ttl_min"), *raw.TTLMin) && s.TTLMin > s.TTL {
			l.Add(at.Key("ttl_min"), "found %s; expected at most the ttl, %s", raw.TTLMin, ttl.plain())
		}
	}
}

// whenAllDown reads what a name answers when none of its pools is left. The fallback may be
// one of them: it is then answered whatever its status.
func (l *loader) whenAllDown(s *zones.Steering, at *problem.Place, raw *rawName) {
	modes := []string{string(zones.AssumeUp), string(zones.LastGood), string(zones.UseFallback), string(zones.ServFail)}
	if !slices.Contains(modes, raw.WhenAllDown) {
		l.Add(at.Key("when_all_down"), "found %q; %s", raw.WhenAllDown, meant(raw.WhenAllDown, modes))
	}
	switch {
	case raw.Fallback != nil:
		if p := l.poolNamed(at.Key("fallback"), *raw.Fallback); p != nil {
			s.Fallback = p
		}
		if s.WhenAllDown != zones.UseFallback {
			l.Add(at.Key("fallback"), `when_all_down is %q, which does not use it; expected when_all_down = "fallback", or none`, raw.WhenAllDown)
		}
	case s.WhenAllDown == zones.UseFallback:
		l.Add(at.Key("fallback"), `missing; expected a pool, since when_all_down is "fallback"`)
	}
}

// orderOf is the Route.Order of pools with a tier each. The names of pools hold no comma, bar or
// space.
func orderOf(pools []*zones.Pool) string {
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return strings.Join(names, "|")
}

// steeringKey writes a steering down in one canonical way.
func steeringKey(s *zones.Steering, order string) string {
	key := fmt.Sprintf("%s pools=%s ttl=%s ttl_min=%s when_all_down=%s failback_after=%s",
		s.Policy, order, short(s.TTL), short(s.TTLMin), s.WhenAllDown, short(s.FailbackAfter))
	if s.Fallback != nil {
		key += " fallback=" + s.Fallback.Name
	}
	return key
}
