package zones

import (
	"slices"

	"gslb/internal/wire"
)

// order puts the zones in canonical order, so that those within another come right behind it.
func (l *loader) order(list []*zone) {
	names := make(map[*zone]*wire.Name, len(list))
	for _, z := range list {
		name := new(wire.Name)
		name.Read(z.apex, 0) // it is a name: newZone made sure
		names[z] = name
	}
	l.ordered = slices.Clone(list)
	slices.SortFunc(l.ordered, func(a, b *zone) int { return wire.Compare(names[a], names[b]) })
	for i, z := range l.ordered {
		z.order = i
	}
}

// innerZones returns the other zones that lie within one, in order.
func (l *loader) innerZones(outer *zone) []innerZone {
	var list []innerZone
	for i := outer.order + 1; i < len(l.ordered); i++ {
		key, inside := appendKey(nil, l.ordered[i].apex, outer.apex)
		if !inside {
			break
		}
		list = append(list, innerZone{key, l.ordered[i]})
	}
	return list
}
