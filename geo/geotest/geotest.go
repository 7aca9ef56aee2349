// Package geotest makes small databases in MaxMind's format for tests. Large ones are made by
// package bench/geodb.
package geotest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Record is what a database says of a network. What is empty is left out.
type Record struct {
	Country      string
	Registered   string // the registered country
	Continent    string
	Subdivisions []string // the largest first
	ASN          uint32
	At           *[2]float64 // latitude and longitude
}

// Database is a database that networks are added to.
type Database struct {
	tree *mmdbwriter.Tree
	made map[string]mmdbtype.Map
}

// New begins an empty database. The kind is what its metadata say, such as "GeoLite2-City"; the
// version is 4, or 6 for both families.
func New(kind string, version int) (*Database, error) {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType:            kind,
		IPVersion:               version,
		RecordSize:              28,
		IncludeReservedNetworks: true,
		BuildEpoch:              1_700_000_000,
		KeyGenerator:            keys{},
	})
	if err != nil {
		return nil, err
	}
	return &Database{tree: tree, made: make(map[string]mmdbtype.Map)}, nil
}

// keys tells records apart by where they are: equal ones are one value (see Database.value), and
// the writer keeps what it is given. What it does itself, digesting a record for every network,
// would take most of the time.
type keys struct{}

func (keys) Key(v mmdbtype.DataType) ([]byte, error) {
	return binary.NativeEndian.AppendUint64(nil, uint64(reflect.ValueOf(v).Pointer())), nil
}

// Add adds a network. What an earlier one said of its addresses is replaced.
func (d *Database) Add(network netip.Prefix, r Record) error {
	addr := network.Masked().Addr()
	return d.tree.Insert(&net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(network.Bits(), addr.BitLen())}, d.value(r))
}

// value is a record as the writer takes it.
func (d *Database) value(r Record) mmdbtype.Map {
	key := r.key()
	if m, ok := d.made[key]; ok {
		return m
	}
	iso := func(code string) mmdbtype.Map { return mmdbtype.Map{"iso_code": mmdbtype.String(code)} }
	m := mmdbtype.Map{}
	if r.Country != "" {
		m["country"] = iso(r.Country)
	}
	if r.Registered != "" {
		m["registered_country"] = iso(r.Registered)
	}
	if r.Continent != "" {
		m["continent"] = mmdbtype.Map{"code": mmdbtype.String(r.Continent)}
	}
	if len(r.Subdivisions) > 0 {
		var list mmdbtype.Slice
		for _, s := range r.Subdivisions {
			list = append(list, iso(s))
		}
		m["subdivisions"] = list
	}
	if r.ASN != 0 {
		m["autonomous_system_number"] = mmdbtype.Uint32(r.ASN)
	}
	if r.At != nil {
		m["location"] = mmdbtype.Map{"latitude": mmdbtype.Float64(r.At[0]), "longitude": mmdbtype.Float64(r.At[1])}
	}
	d.made[key] = m
	return m
}

// key is the same for equal records.
func (r Record) key() string {
	var b []byte
	for _, s := range append([]string{r.Country, r.Registered, r.Continent}, r.Subdivisions...) {
		b = append(b, s...)
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint32(b, r.ASN)
	if r.At != nil {
		b, _ = binary.Append(b, binary.BigEndian, r.At[:])
	}
	return string(b)
}

// WriteTo writes the database.
func (d *Database) WriteTo(w io.Writer) (int64, error) { return d.tree.WriteTo(w) }

// Parse makes a database from a table: one network a line, and what is known of it. Empty lines and
// those that begin with # are left out. Later lines replace what earlier ones say.
//
//	2.0.0.0/8     country=US continent=NA subdivision=CA asn=64500 at=37.7,-122.4
//	2001:db8::/32 country=GB registered=US continent=EU subdivision=ENG,WSM
func Parse(kind, table string) ([]byte, error) {
	d, err := New(kind, 6)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(table, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := d.addLine(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	var b bytes.Buffer
	if _, err := d.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (d *Database) addLine(line string) error {
	words := strings.Fields(line)
	network, err := netip.ParsePrefix(words[0])
	if err != nil {
		return err
	}
	var r Record
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "country":
			r.Country = value
		case "registered":
			r.Registered = value
		case "continent":
			r.Continent = value
		case "subdivision":
			r.Subdivisions = strings.Split(value, ",")
		case "asn":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return err
			}
			r.ASN = uint32(n)
		case "at":
			var at [2]float64
			if _, err := fmt.Sscanf(value, "%g,%g", &at[0], &at[1]); err != nil {
				return fmt.Errorf("found %q; expected at=latitude,longitude: %w", word, err)
			}
			r.At = &at
		default:
			return fmt.Errorf("found %q; expected country=, registered=, continent=, subdivision=, asn= or at=", word)
		}
	}
	return d.Add(network, r)
}
