package geo

import (
	"errors"
	"fmt"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// database is a MaxMind DB file. Its format is described at
// https://maxmind.github.io/MaxMind-DB/: metadata, a binary tree of which each step is a bit of an
// address, and records that the leaves of the tree point at.
//
// The library reads the metadata and the records, within limits of its own. The tree is walked
// here, since a file that is damaged, or made to do harm, can lead the library's walk through the
// same nodes for ever.
type database struct {
	name   string
	reader *maxminddb.Reader
	tree   []byte
	nodes  uint32 // how many the tree has
	size   int    // bits of a record of a node; each node has two records
	root   step
}

// openDatabase reads the metadata of a file. Errors name the file.
func openDatabase(name string, data []byte) (*database, error) {
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, damaged(name, err)
	}
	d := &database{name: name, reader: reader, size: int(reader.Metadata.RecordSize)}
	octets := reader.Metadata.NodeCount * uint(d.size/4)
	switch {
	case reader.Metadata.BinaryFormatMajorVersion != 2:
		return nil, damaged(name, fmt.Errorf("found version %d of the format; expected 2", reader.Metadata.BinaryFormatMajorVersion))
	case d.size != 24 && d.size != 28 && d.size != 32:
		return nil, damaged(name, fmt.Errorf("found nodes of %d bits; expected 24, 28 or 32", d.size))
	case octets > uint(len(data)) || reader.Metadata.NodeCount > 1<<31:
		return nil, damaged(name, errors.New("the tree is larger than the file"))
	}
	d.nodes, d.tree = uint32(reader.Metadata.NodeCount), data[:octets]
	switch reader.Metadata.IPVersion {
	case 4:
		d.root.bits = 96
	case 6:
	default:
		return nil, damaged(name, fmt.Errorf("found addresses of IP version %d; expected 4 or 6", reader.Metadata.IPVersion))
	}
	return d, nil
}

// built is when the maker of the database built it.
func (d *database) built() time.Time { return time.Unix(int64(d.reader.Metadata.BuildEpoch), 0) }

// damaged is an error of what is in a file.
func damaged(name string, err error) error {
	return fmt.Errorf("%s is damaged, or no database in MaxMind's format; fetch it again: %w", name, err)
}

// network is a leaf of the tree.
type network struct {
	first, last address
	bits        int
	record      uint32 // where its record is, by which other networks may have the same
}

func (n network) String() string { return n.first.prefix(n.bits).String() }

// walk goes through the networks of a database in the order of their addresses.
type walk struct {
	*database
	ipv4   uint32 // the node of ::/96
	stack  []step // what is still to be seen, the next at the end
	visits int    // how many nodes may still be seen
}

// step is a place in the tree.
type step struct {
	pointer uint32 // to a node; d.nodes: nothing; above: to a record
	at      address
	bits    int
}

// maxShared is how often nodes may be seen, on average. Writers let several places of the tree lead
// to the same nodes: all of those known to do so for IPv4 within IPv6 only, and that is left out
// here.
const maxShared = 8

func (d *database) walk() *walk {
	w := &walk{database: d, stack: make([]step, 0, 130), visits: maxShared * (int(d.nodes) + 1)}
	if d.nodes > 0 {
		w.stack = append(w.stack, d.root)
	}
	w.ipv4 = d.root.pointer
	for range 96 - d.root.bits {
		if w.ipv4 < d.nodes {
			w.ipv4, _ = d.children(w.ipv4)
		}
	}
	return w
}

// between is what lies between the tree and the records.
const between = 16

var errTree = errors.New("the tree leads to more networks than it can hold")

// next returns the next network; ok is false after the last one.
func (w *walk) next() (n network, ok bool, err error) {
	for len(w.stack) > 0 {
		s := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		switch {
		case s.pointer == w.nodes:
			continue // nothing is known
		case s.pointer > w.nodes:
			if s.pointer-w.nodes < between {
				return network{}, false, damaged(w.name, errors.New("the tree leads between itself and the records"))
			}
			return network{s.at, s.at.lastOf(s.bits), s.bits, s.pointer - w.nodes - between}, true, nil
		case s.pointer == w.ipv4 && (s.bits != 96 || s.at != address{}):
			// IPv4 within IPv6: ::ffff:0:0/96, Teredo (2001::/32) and 6to4 (2002::/16). What the
			// last two embed is looked up as IPv6.
			continue
		case s.bits == 128:
			return network{}, false, damaged(w.name, errTree)
		}
		if w.visits--; w.visits < 0 {
			return network{}, false, damaged(w.name, errTree)
		}
		left, right := w.children(s.pointer)
		w.stack = append(w.stack,
			step{right, s.at.withBit(s.bits), s.bits + 1},
			step{left, s.at, s.bits + 1})
	}
	return network{}, false, nil
}

// children are the records of a node.
func (d *database) children(node uint32) (left, right uint32) {
	octets := d.size / 4
	b := d.tree[int(node)*octets:][:octets]
	switch d.size {
	case 24:
		return be24(b), be24(b[3:])
	case 28: // the octet in the middle has the highest four bits of each
		return uint32(b[3]>>4)<<24 | be24(b), uint32(b[3]&0x0F)<<24 | be24(b[4:])
	default:
		return uint32(b[0])<<24 | be24(b[1:]), uint32(b[4])<<24 | be24(b[5:])
	}
}

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

// record is what is read of a record.
type record struct {
	Continent         coded   `maxminddb:"continent"`
	Country           coded   `maxminddb:"country"`
	RegisteredCountry coded   `maxminddb:"registered_country"`
	Subdivisions      []coded `maxminddb:"subdivisions"` // the largest first
	ASN               uint32  `maxminddb:"autonomous_system_number"`
	Location          struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

// coded has a code by one of these two names.
type coded struct {
	Code    string `maxminddb:"code"`     // of a continent
	ISOCode string `maxminddb:"iso_code"` // of others
}

// client is what a database knows of the clients of a network.
type client struct {
	knows        Attributes
	asn          View
	subdivisions []View // the smallest first
	country      View
	continent    View
	location     Point
}

// read reads the record of a network.
func (d *database) read(n network) (client, error) {
	var r record
	if err := d.reader.LookupOffset(uintptr(n.record)).Decode(&r); err != nil {
		return client{}, damaged(d.name, fmt.Errorf("the record of %s: %w", n, err))
	}
	var c client
	if r.ASN != 0 {
		c.knows.ASN, c.asn = true, View{kind: ASN, number: r.ASN}
	}
	country := r.Country.ISOCode
	if country == "" {
		// Of the country that an address is registered in: where it is used is not known.
		country = r.RegisteredCountry.ISOCode
	}
	if country != "" {
		c.knows.Country, c.country = true, View{kind: Country, code: country}
	}
	for _, s := range r.Subdivisions {
		if country != "" && s.ISOCode != "" {
			c.knows.Subdivision = true
			c.subdivisions = append([]View{{kind: Subdivision, code: country + "-" + s.ISOCode}}, c.subdivisions...)
		}
	}
	if r.Continent.Code != "" {
		c.knows.Continent, c.continent = true, View{kind: Continent, code: r.Continent.Code}
	}
	if r.Location.Latitude != nil && r.Location.Longitude != nil {
		// A place that is nowhere on the globe is as good as none.
		p := Point{*r.Location.Latitude, *r.Location.Longitude}
		if p.Check() == nil {
			c.knows.Location, c.location = true, p
		}
	}
	return c, nil
}
