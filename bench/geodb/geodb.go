// Package geodb makes databases of places and of autonomous systems that have the shape of
// MaxMind's: as many networks, as long ones, of records that differ as much, and neighbours that
// are mostly of one country. What is in them is invented, and always the same.
//
// All of 127.0.0.0/8 is in them like any other network, since that is where a load can come from.
package geodb

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
	"go4.org/netipx"
)

// version is of what this package makes. It is in the names of the files, which are kept.
const version = 1

// Files are the paths of a set of databases.
type Files struct {
	City    string
	Changed string // City with other places for a twentieth of its networks, Moved among them
	ASN     string
}

// Moved is a network in 127.0.0.0/8 that is in California in City, and in Germany in Changed.
var Moved = netip.MustParsePrefix("127.255.255.0/24")

// Make makes databases in dir, with so many networks in City and a tenth of that in ASN. Those
// that are there already stay as they are.
func Make(dir string, networks int) (Files, error) {
	name := func(kind string) string {
		return filepath.Join(dir, fmt.Sprintf("%s-%d-v%d.mmdb", kind, networks, version))
	}
	f := Files{City: name("City"), Changed: name("City-changed"), ASN: name("ASN")}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return f, err
	}
	var errs []error
	if !exist(f.City, f.Changed) {
		errs = append(errs, makeCity(f, networks))
	}
	if !exist(f.ASN) {
		errs = append(errs, makeASN(f, networks/10))
	}
	if err := errors.Join(errs...); err != nil {
		return f, fmt.Errorf("databases: %w", err)
	}
	return f, nil
}

func exist(files ...string) bool {
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	return true
}

func makeCity(f Files, networks int) error {
	tree, err := newTree("GeoIP2-City", keyOf("city", "geoname_id"))
	if err != nil {
		return err
	}
	w := newWorld(networks)
	insert := func(network netip.Prefix, c city) error { return tree.Insert(netipx.PrefixIPNet(network), c.record) }
	var others []netip.Prefix // whose places change
	walk := newWalk(networks, w)
	for network, city := range walk.cities() {
		if err := insert(network, city); err != nil {
			return err
		}
		if walk.random.IntN(20) == 0 {
			others = append(others, network)
		}
	}
	if err := insert(Moved, w.in("US", "CA")); err != nil {
		return err
	}
	if err := write(tree, f.City); err != nil {
		return err
	}
	for _, network := range others {
		if err := insert(network, w.anywhere(walk.random)); err != nil {
			return err
		}
	}
	if err := insert(Moved, w.in("DE", "")); err != nil {
		return err
	}
	return write(tree, f.Changed)
}

func makeASN(f Files, networks int) error {
	tree, err := newTree("GeoLite2-ASN", keyOf("autonomous_system_number"))
	if err != nil {
		return err
	}
	for network, system := range newWalk(networks, nil).systems() {
		if err := tree.Insert(netipx.PrefixIPNet(network), system); err != nil {
			return err
		}
	}
	return write(tree, f.ASN)
}

func newTree(kind string, key mmdbwriter.KeyGenerator) (*mmdbwriter.Tree, error) {
	return mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kind, Description: map[string]string{"en": "invented, for benchmarks"},
		BuildEpoch: 1, Languages: languages, KeyGenerator: key,
		IncludeReservedNetworks: true, // 127.0.0.0/8 is one
	})
}

// write writes beside and renames, so that what is there is always complete.
func write(tree *mmdbwriter.Tree, path string) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer file.Close()
	buffer := bufio.NewWriterSize(file, 1<<20)
	if _, err := tree.WriteTo(buffer); err != nil {
		return err
	}
	if err := errors.Join(buffer.Flush(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// keyed finds the number in a record that no other record has, by the keys that lead there. The
// writer's own way is to hash each record as often as it is inserted.
type keyed struct{ path []mmdbtype.String }

func keyOf(path ...mmdbtype.String) *keyed { return &keyed{path} }

// Key returns the number's bytes.
func (k *keyed) Key(record mmdbtype.DataType) ([]byte, error) {
	for _, step := range k.path {
		inner, ok := record.(mmdbtype.Map)
		if !ok {
			return nil, fmt.Errorf("a record without %v", k.path)
		}
		record = inner[step]
	}
	number, ok := record.(mmdbtype.Uint32)
	if !ok {
		return nil, fmt.Errorf("a record without a number at %v", k.path)
	}
	return []byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)}, nil
}

// Place is what the databases say of an address; zero where they say nothing.
type Place struct {
	Continent, Country, Subdivision string // "NA", "US", "US-CA"
	ASN                             uint
}

// Reader reads databases, with no code in common with any server.
type Reader struct{ city, asn *maxminddb.Reader }

// Open opens the databases of City and ASN. The caller closes the reader.
func Open(f Files) (*Reader, error) {
	city, err := maxminddb.Open(f.City)
	if err != nil {
		return nil, err
	}
	asn, err := maxminddb.Open(f.ASN)
	if err != nil {
		return nil, errors.Join(err, city.Close())
	}
	return &Reader{city, asn}, nil
}

// Close closes the files.
func (r *Reader) Close() error { return errors.Join(r.city.Close(), r.asn.Close()) }

// Place finds an address.
func (r *Reader) Place(addr netip.Addr) (Place, error) {
	var city struct {
		Continent struct {
			Code string `maxminddb:"code"`
		} `maxminddb:"continent"`
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
		Subdivisions []struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"subdivisions"`
	}
	var system struct {
		Number uint `maxminddb:"autonomous_system_number"`
	}
	err := errors.Join(r.city.Lookup(addr).Decode(&city), r.asn.Lookup(addr).Decode(&system))
	place := Place{Continent: city.Continent.Code, Country: city.Country.Code, ASN: system.Number}
	if len(city.Subdivisions) > 0 {
		place.Subdivision = place.Country + "-" + city.Subdivisions[0].Code
	}
	return place, err
}

// Networks are all those of an autonomous system.
func (r *Reader) Networks(asn uint) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for result := range r.asn.Networks() {
		var number uint
		if err := result.DecodePath(&number, "autonomous_system_number"); err != nil {
			return nil, err
		}
		if number == asn {
			networks = append(networks, result.Prefix())
		}
	}
	return networks, nil
}
