package geodb

import (
	"fmt"
	"math/rand/v2"
	"sort"

	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// languages are those of the names in records.
var languages = []string{"de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN"}

// country is one, and how much of the address space it has.
type country struct {
	code, continent string
	share           int // of each address family, in thousandths of what is given out
	latitude        float64
	longitude       float64
	spread          float64  // degrees around there
	subdivisions    []string // of which each city has one
}

// countries have the shares that they roughly have of IPv4.
var countries = []country{
	{"US", "NA", 400, 39, -98, 12, []string{"CA", "TX", "NY", "FL", "IL", "PA", "OH", "GA", "NC", "MI", "NJ", "VA", "WA", "AZ", "MA", "TN", "IN", "MO", "MD", "WI", "CO", "MN", "SC", "AL", "LA", "KY", "OR", "OK", "CT", "UT"}},
	{"CN", "AS", 80, 34, 108, 12, []string{"BJ", "SH", "GD", "ZJ", "JS", "SD", "SC", "HB"}},
	{"JP", "AS", 50, 36, 138, 4, []string{"13", "27", "14", "23", "40"}},
	{"DE", "EU", 34, 51, 10, 3, []string{"BE", "BY", "NW", "HH", "HE", "BW", "SN", "NI"}},
	{"GB", "EU", 33, 53, -1.5, 3, []string{"ENG", "SCT", "WLS", "NIR"}},
	{"KR", "AS", 30, 36.5, 127.8, 2, []string{"11", "26", "28"}},
	{"BR", "SA", 25, -15, -50, 12, []string{"SP", "RJ", "MG", "RS", "PR"}},
	{"FR", "EU", 24, 46.5, 2.5, 4, []string{"IDF", "ARA", "PAC", "OCC"}},
	{"CA", "NA", 20, 50, -95, 12, []string{"ON", "QC", "BC", "AB"}},
	{"IT", "EU", 15, 42.8, 12.5, 4, []string{"25", "62", "52"}},
	{"AU", "OC", 14, -27, 140, 12, []string{"NSW", "VIC", "QLD", "WA"}},
	{"NL", "EU", 14, 52.2, 5.5, 1, []string{"NH", "ZH", "UT"}},
	{"RU", "EU", 13, 56, 50, 15, []string{"MOW", "SPE", "SVE"}},
	{"IN", "AS", 12, 21, 78, 8, []string{"MH", "KA", "DL", "TN"}},
	{"TW", "AS", 10, 23.7, 121, 1, nil},
	{"ES", "EU", 9, 40, -4, 4, []string{"MD", "CT", "AN"}},
	{"MX", "NA", 8, 23, -102, 6, []string{"CMX", "JAL", "NLE"}},
	{"SE", "EU", 8, 60, 15, 4, nil}, {"ZA", "AF", 8, -29, 25, 5, []string{"GP", "WC"}},
	{"PL", "EU", 6, 52, 19, 3, nil}, {"AR", "SA", 6, -34, -64, 8, nil}, {"EG", "AF", 5, 27, 30, 3, nil},
	{"CH", "EU", 5, 46.8, 8.2, 1, nil}, {"ID", "AS", 5, -2, 118, 8, nil}, {"NO", "EU", 5, 61, 9, 4, nil},
	{"CO", "SA", 5, 4, -73, 4, nil}, {"TR", "AS", 5, 39, 35, 5, nil}, {"VN", "AS", 5, 16, 107, 4, nil},
	{"FI", "EU", 4, 62, 26, 3, nil}, {"DK", "EU", 4, 56, 10, 1, nil}, {"HK", "AS", 4, 22.3, 114.2, 0.2, nil},
	{"AT", "EU", 4, 47.5, 14, 2, nil}, {"BE", "EU", 4, 50.8, 4.5, 1, nil}, {"UA", "EU", 4, 49, 32, 5, nil},
	{"IR", "AS", 4, 32, 53, 6, nil}, {"SA", "AS", 3, 24, 45, 6, nil}, {"RO", "EU", 3, 46, 25, 3, nil},
	{"CZ", "EU", 3, 49.8, 15.5, 1.5, nil}, {"SG", "AS", 3, 1.35, 103.8, 0.1, nil}, {"TH", "AS", 3, 15, 101, 4, nil},
	{"MA", "AF", 3, 32, -6, 3, nil}, {"CL", "SA", 3, -33, -71, 8, nil}, {"PT", "EU", 3, 39.5, -8, 2, nil},
	{"IE", "EU", 3, 53, -8, 1.5, nil}, {"MY", "AS", 2, 4, 102, 3, nil}, {"NZ", "OC", 2, -41, 174, 4, nil},
	{"IL", "AS", 2, 31.5, 34.9, 1, nil}, {"VE", "SA", 2, 8, -66, 4, nil}, {"GR", "EU", 2, 39, 22, 2, nil},
	{"HU", "EU", 2, 47, 19, 1.5, nil}, {"PH", "AS", 2, 13, 122, 4, nil}, {"NG", "AF", 2, 9, 8, 4, nil},
	{"KE", "AF", 2, 0, 37, 3, nil}, {"TN", "AF", 2, 34, 9, 2, nil}, {"PK", "AS", 2, 30, 69, 4, nil},
	{"BG", "EU", 2, 42.7, 25, 1.5, nil}, {"KZ", "AS", 1, 48, 67, 8, nil}, {"PE", "SA", 1, -10, -76, 4, nil},
	{"LT", "EU", 1, 55, 24, 1, nil}, {"SK", "EU", 1, 48.7, 19.5, 1, nil}, {"DZ", "AF", 1, 28, 3, 5, nil},
	{"PA", "NA", 1, 8.5, -80, 1, nil}, {"EC", "SA", 1, -1, -78, 2, nil}, {"CR", "NA", 1, 10, -84, 1, nil},
	{"HR", "EU", 1, 45, 16, 1.5, nil}, {"RS", "EU", 1, 44, 21, 1.5, nil}, {"BD", "AS", 1, 24, 90, 2, nil},
	{"AE", "AS", 1, 24, 54, 1, nil}, {"DO", "NA", 1, 19, -70, 1, nil}, {"FJ", "OC", 1, -17.8, 178, 1, nil},
}

// city is a record, and where it belongs.
type city struct {
	record      mmdbtype.Map
	subdivision string
}

// world has the cities of every country.
type world struct {
	cities     [][]city         // by country
	upTo       []int            // by country: the sum of the shares up to it
	continents map[string][]int // their countries
}

// mostCities are about as many different records as MaxMind's database has.
const mostCities = 100_000

// newWorld makes the cities for so many networks.
func newWorld(networks int) *world {
	count := min(networks, mostCities)
	w := &world{continents: make(map[string][]int)}
	total := 0
	for i, c := range countries {
		total += c.share
		w.upTo = append(w.upTo, total)
		w.continents[c.continent] = append(w.continents[c.continent], i)
	}
	r := rand.New(rand.NewPCG(3, 4))
	number := 0
	for _, c := range countries {
		var cities []city
		for range max(4, count*c.share/total) {
			number++
			cities = append(cities, newCity(c, number, r))
		}
		w.cities = append(w.cities, cities)
	}
	return w
}

// newCity makes the record of a city, whose number no other has.
func newCity(c country, number int, r *rand.Rand) city {
	place := func(what string, id int, more mmdbtype.Map) mmdbtype.Map {
		names := make(mmdbtype.Map)
		for _, language := range languages {
			names[mmdbtype.String(language)] = mmdbtype.String(what)
		}
		more["geoname_id"], more["names"] = mmdbtype.Uint32(id), names
		return more
	}
	country := func() mmdbtype.Map {
		return place("Country "+c.code, id(c.code), mmdbtype.Map{"iso_code": mmdbtype.String(c.code)})
	}
	made := city{record: mmdbtype.Map{
		"city":               place(fmt.Sprintf("City %d", number), 1_000_000+number, mmdbtype.Map{}),
		"continent":          place("Continent "+c.continent, id(c.continent)+100_000, mmdbtype.Map{"code": mmdbtype.String(c.continent)}),
		"country":            country(),
		"registered_country": country(),
		"location": mmdbtype.Map{
			"accuracy_radius": mmdbtype.Uint16(5 + r.IntN(200)),
			"latitude":        mmdbtype.Float64(c.latitude + c.spread*(2*r.Float64()-1)),
			"longitude":       mmdbtype.Float64(c.longitude + c.spread*(2*r.Float64()-1)),
			"time_zone":       mmdbtype.String("Region/" + c.code),
		},
		"postal": mmdbtype.Map{"code": mmdbtype.String(fmt.Sprintf("%05d", number))},
	}}
	if len(c.subdivisions) > 0 {
		made.subdivision = c.subdivisions[number%len(c.subdivisions)]
		division := place("Subdivision "+made.subdivision, id(c.code+made.subdivision), mmdbtype.Map{"iso_code": mmdbtype.String(made.subdivision)})
		made.record["subdivisions"] = mmdbtype.Slice{division}
	}
	return made
}

// id makes a number of a code of up to five characters, as a GeoNames id is one.
func id(code string) int {
	n := 0
	for _, letter := range []byte(code) {
		n = n*43 + int(letter-'0')
	}
	return 5_000_000 + n
}

// at draws a country by its share.
func (w *world) at(r *rand.Rand) int {
	return sort.SearchInts(w.upTo, 1+r.IntN(w.upTo[len(w.upTo)-1]))
}

// anywhere draws a city.
func (w *world) anywhere(r *rand.Rand) city {
	cities := w.cities[w.at(r)]
	return cities[r.IntN(len(cities))]
}

// in is the first city in a country, and in a subdivision of it if one is given.
func (w *world) in(country, subdivision string) city {
	for i, c := range countries {
		for _, city := range w.cities[i] {
			if c.code == country && (subdivision == "" || city.subdivision == subdivision) {
				return city
			}
		}
	}
	panic("no city in " + country + " " + subdivision)
}
