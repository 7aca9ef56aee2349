package config

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"time"

	"gslb/zones"
	"gslb/zones/problem"
	"gslb/zones/records"
)

// names reads the [zones.NAME.names] table.
func (l *loader) names(z *zone, raw rawTable) {
	list := make([]zones.Name, len(raw)) // in one piece, since there may be very many
	z.Names = make([]*zones.Name, len(raw))
	z.facts.Steered = make([]records.SteeredName, 0, len(raw))
	for i, key := range sortedKeys(raw) {
		n := &list[i]
		z.Names[i] = n
		n.Zone, n.Steering = z.Zone, l.steeringOf(z, key, raw[key])
		var err error
		n.Name, err = qualify(key, z.Name, true)
		if err != nil {
			l.Add(z.nameAt(key), "%v", err)
			continue
		}
		place, inside := records.KeyOf(n.Name, z.apex)
		if !inside {
			l.Add(z.nameAt(key), "%s lies outside the zone; expected a name that ends in %s", n.Name, z.Name)
			continue
		}
		z.facts.Steered = append(z.facts.Steered, records.SteeredName{Key: place, Name: n.Name, Raw: key, CNAME: l.canonical(z, key, n)})
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

// canonical is the pool of a name that is answered as a CNAME, if there is one and the name can have it.
func (l *loader) canonical(z *zone, key string, n *zones.Name) string {
	if n.Steering == nil {
		return ""
	}
	found := ""
	for p := range n.Steering.Candidates() {
		switch {
		case p.CNAME == "":
		case n.Name == z.Name:
			l.Add(z.nameAt(key), "pool %q is answered as a CNAME, which cannot stand at the top of a zone, beside its SOA and NS records (RFC 1034, section 3.6.2); expected an alias in %s instead, or members", p.Name, l.pools[p.Name].at)
		case n.Name == p.CNAME:
			l.Add(z.nameAt(key), "pool %q is answered as a CNAME that leads to this very name; expected another name in %s", p.Name, l.pools[p.Name].at.Key("cname"))
		default:
			found = p.Name
		}
	}
	return found
}

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
	s := l.steering(z, key, &raw)
	if l.Len() == before && s.Failback != zones.FailbackManual {
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
		if dst, ok = appendValue(dst, value); !ok {
			return nil
		}
	}
	if known < len(table) {
		return nil
	}
	return dst
}

// appendValue appends what tells a value from all others, or says that the table of no name has
// such a value.
func appendValue(dst []byte, v any) (_ []byte, ok bool) {
	switch v := v.(type) {
	case string:
		return appendText(append(dst, 's'), v), true
	case int64:
		return binary.BigEndian.AppendUint64(append(dst, 'i'), uint64(v)), true
	case []any:
		dst = append(dst, '[')
		for _, item := range v {
			if dst, ok = appendValue(dst, item); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), true
	case map[string]any:
		dst = append(dst, '{')
		for _, key := range sortedKeys(v) {
			if dst, ok = appendValue(appendText(dst, key), v[key]); !ok {
				return dst, false
			}
		}
		return append(dst, '}'), true
	}
	return dst, false
}

func appendText(dst []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(text))), text...)
}
