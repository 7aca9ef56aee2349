package zones

import (
	"strconv"

	"github.com/BurntSushi/toml"
)

// place is where something stands in the configuration, as an operator would write it:
// pools.nyc.members[1]. The nil place is the file itself.
type place struct {
	up   *place
	name string
	item int // of a list, from 0; notItem for a key
}

const notItem = -1

// top is the place of a key of the file itself.
func top(name string) *place { return (*place)(nil).key(name) }

// key is the place of a key of the table at p.
func (p *place) key(name string) *place { return &place{up: p, name: name, item: notItem} }

// index is the place of an item of the list at p.
func (p *place) index(i int) *place { return &place{up: p, item: i} }

// tomlKey is the key that the place lies at or, for the items of a list, under.
func (p *place) tomlKey() toml.Key {
	if p == nil {
		return nil
	}
	key := p.up.tomlKey()
	if p.item == notItem {
		key = append(key, p.name)
	}
	return key
}

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.item != notItem:
		return p.up.String() + "[" + strconv.Itoa(p.item) + "]"
	default:
		return p.tomlKey().String()
	}
}
