package config

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gslb/bench/geodb"
	"gslb/zones"
)

// benchHead begins the configurations of the benchmarks.
const benchHead = `server = { listen = ["127.0.0.1:0"] }
[pools.nyc]
members = ["203.0.113.10"]
[pools.ams]
members = ["198.51.100.10"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["192.0.2.53"] }
`

// steeredNames is the tables of so many names that are steered.
func steeredNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[zones.\"gslb.example.com\".names.n%d]\npools = [\"nyc\", \"ams\"]\n", i)
	}
	return b.String()
}

// A zone of 100,000 names, static and steered; the time must grow with their number only.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		var records strings.Builder
		for i := range n {
			fmt.Fprintf(&records, "n%d A 192.0.2.%d\n", i, i%256)
		}
		for _, bench := range []struct{ name, text string }{
			{"records", benchHead + "records = \"\"\"\n" + records.String() + "\"\"\"\nnames.app = { pools = [\"nyc\", \"ams\"] }\n"},
			{"steered", benchHead + steeredNames(n)},
		} {
			b.Run(fmt.Sprintf("%s=%d", bench.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					mustParse(b, bench.text, LoadOptions{})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/name")
			})
		}
	}
}

// Names with six views each: the time must grow with their number only, whether they are steered
// alike or each in its own way.
func BenchmarkViews(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, ways := range []int{1, n} {
			var text strings.Builder
			text.WriteString(strings.Replace(benchHead, `] }`, `], geoip = ["db/City.mmdb", "db/ASN.mmdb"] }`, 1))
			for i := range n {
				fmt.Fprintf(&text, `[zones."gslb.example.com".names.n%d]
ttl = "%ds"
[zones."gslb.example.com".names.n%d.views]
"192.0.2.0/24" = ["ams"]
"asn:64500" = ["ams"]
"subdivision:US-CA" = ["nyc"]
"country:US" = ["nyc", "ams"]
"continent:NA" = ["nyc", "ams"]
default = ["ams", "nyc"]
`, i, 5+i%ways, i)
			}
			b.Run(fmt.Sprintf("names=%d/ways=%d", n, ways), func(b *testing.B) {
				b.ReportAllocs()
				var kept Databases
				loadOften(b, n, "name", func() (*zones.Set, error) {
					return Parse([]byte(text.String()), "testdata/accept/zones.toml", LoadOptions{Now: noon, Databases: &kept})
				})
			})
		}
	}
}

// Databases of the size of MaxMind's: what it takes to load them, and to load again when only
// zones.toml has changed.
func BenchmarkDatabases(b *testing.B) {
	made, err := geodb.Make(must(b, func() (string, error) { return filepath.Abs("../../.cache/bench/queries/databases") }), 5_000_000)
	if err != nil {
		b.Fatal(err)
	}
	server := fmt.Sprintf("server = { listen = [\"127.0.0.1:0\"], geoip = [%q, %q] }\n", made.City, made.ASN)
	const zone = "[zones.\"example.com\"]\nnameservers = { \"ns.example.net.\" = [] }\n"
	var pools strings.Builder
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("\"p%d\"", i))
		fmt.Fprintf(&pools, "pools.p%d = { members = [\"203.0.113.%d\"], location = [%d, %d] }\n", i, i+1, i*37%120-60, i*71%360-180)
	}
	for _, bench := range []struct{ name, text string }{
		{"views", server + "pools.nyc.members = [\"203.0.113.10\"]\npools.ams.members = [\"198.51.100.10\"]\n" + zone + `[zones."example.com".names.app.views]
"continent:NA" = ["nyc"]
"country:US" = ["nyc"]
"subdivision:US-CA" = ["nyc"]
default = ["ams"]
`},
		{"nearest", server + pools.String() + zone + `names.app = { policy = "nearest", pools = [` + strings.Join(names, ", ") + "] }\n"},
	} {
		for _, again := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/again=%v", bench.name, again), func(b *testing.B) {
				kept := new(Databases)
				parse := func() *zones.Set { return mustParse(b, bench.text, LoadOptions{Databases: kept}) }
				if again {
					parse()
				}
				b.ReportAllocs()
				routes := 0
				for b.Loop() {
					if !again {
						kept = new(Databases)
					}
					routes = len(parse().Routes)
				}
				b.ReportMetric(float64(routes), "routes")
			})
		}
	}
}

// A master file of a million names: what each takes to load, and what it keeps in memory.
func BenchmarkMasterFile(b *testing.B) {
	const names = 1_000_000
	for _, order := range []struct {
		name string
		at   func(i int) int
	}{
		{"sorted", func(i int) int { return i }},
		{"shuffled", func(i int) int { return i * 611_953 % names }}, // a prime
	} {
		b.Run(order.name, func(b *testing.B) {
			path := writeZone(b, names, order.at)
			loadOften(b, names, "record", func() (*zones.Set, error) { return Load(path, LoadOptions{Now: noon}) })
		})
	}
}

// loadOften measures a load of so many things of a kind: how long one of them takes, and how much memory
// it keeps.
func loadOften(b *testing.B, n int, kind string, load func() (*zones.Set, error)) {
	b.Helper()
	var kept uint64
	for b.Loop() {
		before := liveHeap()
		set, err := load()
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		kept = liveHeap() - before
		runtime.KeepAlive(set)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/"+kind)
	b.ReportMetric(float64(kept)/float64(n), "B/"+kind)
}

// writeZone writes a configuration of one zone from a file.
func writeZone(b *testing.B, names int, at func(i int) int) (path string) {
	b.Helper()
	dir := b.TempDir()
	f, err := os.Create(filepath.Join(dir, "db"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.53")
	for i := range names {
		n := at(i)
		fmt.Fprintf(w, "name-%07d A 10.%d.%d.%d\n", n, n>>16&255, n>>8&255, n&255)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	path = filepath.Join(dir, "zones.toml")
	text := "server = { listen = [\"127.0.0.1:0\"] }\n[zones.\"example.com\"]\nfile = \"db\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// liveHeap is what the heap holds that something refers to, in bytes.
func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Thousands of zones, each from a small file of its own, some within others.
func BenchmarkManyZones(b *testing.B) {
	const zones = 5_000
	dir := b.TempDir()
	var text strings.Builder
	text.WriteString("server = { listen = [\"127.0.0.1:0\"] }\n")
	for i := range zones {
		name := fmt.Sprintf("zone%d.example", i)
		if i%10 == 0 {
			name = "sub." + fmt.Sprintf("zone%d.example", i+1)
		}
		file := fmt.Sprintf("db%d", i)
		fmt.Fprintf(&text, "[zones.%q]\nfile = %q\n", name, file)
		records := "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.53\n@ MX 10 mail\nmail A 192.0.2.2\nwww CNAME @\n"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(records), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(dir, "zones.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	var kept uint64
	b.ReportAllocs()
	for b.Loop() {
		before := liveHeap()
		set, err := Load(path, LoadOptions{Now: noon})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		kept = liveHeap() - before
		runtime.KeepAlive(set)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*zones), "ns/zone")
	b.ReportMetric(float64(kept)/zones, "B/zone")
}
