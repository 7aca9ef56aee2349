package problem

import (
	"strconv"

	"github.com/BurntSushi/toml"
)

// Place is where something stands in the configuration, as an operator would write it:
// pools.nyc.members[1]. The nil Place is the file itself.
type Place struct {
	up   *Place
	name string
	item int // of a list, from 0; notItem for a key
}

const notItem = -1

// Top is the place of a key of the file itself.
func Top(name string) *Place { return (*Place)(nil).Key(name) }

// Key is the place of a key of the table at p.
func (p *Place) Key(name string) *Place { return &Place{up: p, name: name, item: notItem} }

// Index is the place of an item of the list at p.
func (p *Place) Index(i int) *Place { return &Place{up: p, item: i} }

// tomlKey is the key that the place lies at or, for the items of a list, under.
func (p *Place) tomlKey() toml.Key {
	if p == nil {
		return nil
	}
	key := p.up.tomlKey()
	if p.item == notItem {
		key = append(key, p.name)
	}
	return key
}

func (p *Place) String() string {
	switch {
	case p == nil:
		return ""
	case p.item != notItem:
		return p.up.String() + "[" + strconv.Itoa(p.item) + "]"
	default:
		return p.tomlKey().String()
	}
}
