package zones

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

const (
	defaultTTLMin    = 5 * time.Second
	maxFailbackAfter = 7 * 24 * time.Hour
)

// names reads the [zones.NAME.names] table.
func (l *loader) names(z *zone, raw rawTable) {
	list := make([]Name, len(raw)) // in one piece, since there may be very many
	z.Names = make([]*Name, len(raw))
	z.steered = make([]steeredName, 0, len(raw))
	for i, key := range sortedKeys(raw) {
		name, err := qualify(key, z.Name, true)
		if err != nil {
			l.add(z.nameAt(key), "%v", err)
		} else if place, inside := keyOf(name, z.apex); !inside {
			l.add(z.nameAt(key), "%s lies outside the zone; expected a name that ends in %s", name, z.Name)
		} else {
			z.steered = append(z.steered, steeredName{key: place, name: name, raw: key})
		}
		list[i] = Name{Name: name, Zone: z.Zone, Steering: l.steeringOf(z, key, raw[key])}
		z.Names[i] = &list[i]
	}
	slices.SortStableFunc(z.steered, func(a, b steeredName) int { return bytes.Compare(a.key, b.key) })
	for i := 1; i < len(z.steered); i++ {
		if n, before := z.steered[i], z.steered[i-1]; bytes.Equal(n.key, before.key) {
			l.add(z.nameAt(n.raw), "the name is given twice, also as %s", z.nameAt(before.raw))
		}
	}
}

// nameAt is the place of a steered name.
func (z *zone) nameAt(key string) *place { return z.at.key("names").key(key) }

// steeringOf reads how a name is steered. Names that are steered alike share one result, and
// those whose tables are the same are not read again.
func (l *loader) steeringOf(z *zone, key string, v any) *Steering {
	l.signature = appendSignature(l.signature[:0], z.TTL, v, l.decoder.fieldsOf(reflect.TypeFor[rawName]()))
	if s := l.alike[string(l.signature)]; s != nil && len(l.signature) > 0 {
		return s
	}
	signature, before := string(l.signature), len(l.problems)
	at := z.nameAt(key)
	var raw rawName
	if !l.decoder.element(at, v, &raw) {
		return nil
	}
	s := l.steering(z, at, raw)
	if len(l.problems) == before {
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
