package problem

import (
	"encoding/binary"
	"strconv"
	"strings"
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

// Up is the place of the table or the list that p lies in.
func (p *Place) Up() *Place { return p.up }

func (p *Place) String() string {
	switch {
	case p == nil:
		return ""
	case p.item != notItem:
		return p.up.String() + "[" + strconv.Itoa(p.item) + "]"
	case p.up == nil:
		return written(p.name)
	default:
		return p.up.String() + "." + written(p.name)
	}
}

// written is a key as TOML has it: in quotes if it is not a bare key.
func written(name string) string {
	bare := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !bare(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// A path is the steps from the file to a place in bytes: no two places have the same, and that
// of a place begins those of all places within it.

// Path is the path of a place.
func (p *Place) Path() []byte {
	switch {
	case p == nil:
		return nil
	case p.item != notItem:
		return AppendItem(p.up.Path(), p.item)
	default:
		return AppendKey(p.up.Path(), p.name)
	}
}

// AppendKey appends a key to the path of a table.
func AppendKey(path []byte, name string) []byte {
	path = binary.BigEndian.AppendUint32(append(path, '.'), uint32(len(name)))
	return append(path, name...)
}

// AppendItem appends an item to the path of a list.
func AppendItem(path []byte, i int) []byte {
	return binary.BigEndian.AppendUint32(append(path, '['), uint32(i))
}
