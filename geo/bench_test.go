package geo

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"gslb/bench/geodb"
)

// tenViews are of every kind that asks a database.
func tenViews(t testing.TB) []View {
	return views(t, "continent:NA", "continent:EU", "continent:AS", "country:US", "country:DE", "subdivision:US-CA", "subdivision:US-NY",
		"asn:64500", "192.0.2.0/24", "default")
}

var tenPoints = []Point{{40.7, -74}, {37.8, -122.4}, {51.5, -0.1}, {52.4, 4.9}, {50.1, 8.7}, {1.3, 103.8}, {35.7, 139.7}, {-33.9, 151.2}, {-23.5, -46.6}, {-26.2, 28}}

// large are a City and an ASN database with so many networks. They are kept in the folder that the
// benchmarks of the server have theirs in, as making them takes longer than anything here.
func large(b *testing.B, networks int) []Source {
	b.Helper()
	made, err := geodb.Make(filepath.Join("..", ".cache", "bench", "queries", "databases"), networks)
	if err != nil {
		b.Fatal(err)
	}
	var files []Source
	for _, path := range []string{made.City, made.ASN} {
		files = append(files, Source{Name: path, Digest: path, Read: func() ([]byte, error) { return os.ReadFile(path) }})
	}
	runtime.GC() // what making them has left
	return files
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{500_000, 5_000_000} {
		files := large(b, n)
		for _, q := range []struct {
			name      string
			questions []Question
		}{
			{"views", []Question{{Views: tenViews(b)}}},
			{"nearest", []Question{{Views: tenViews(b)[9:], Points: tenPoints}}},
			{"three", []Question{{Views: tenViews(b)}, {Views: tenViews(b)[3:5]}, {Points: tenPoints}}},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, q.name), func(b *testing.B) {
				b.ReportAllocs()
				var m *Map
				for range b.N {
					var l Library
					maps, _, err := l.Load(context.Background(), files, q.questions)
					if err != nil {
						b.Fatal(err)
					}
					m = maps[0]
				}
				b.ReportMetric(float64(m.Size()), "octets/map")
				b.ReportMetric(float64(m.Ranges()), "ranges/map")
				b.ReportMetric(float64(len(m.Classes())), "classes/map")
			})
		}
	}
}

func BenchmarkFind(b *testing.B) {
	files := large(b, 5_000_000)
	for _, q := range []struct {
		name     string
		question Question
	}{
		{"views", Question{Views: tenViews(b)}},
		{"nearest", Question{Views: tenViews(b)[9:], Points: tenPoints}},
	} {
		m := load(b, q.question, files...)
		random := rand.New(rand.NewPCG(1, 1))
		addrs := make([]netip.Addr, 1<<16)
		for family, draw := range map[string]func() netip.Addr{
			"IPv4": func() netip.Addr {
				return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, random.Uint32())))
			},
			"IPv6": func() netip.Addr {
				var a [16]byte
				binary.BigEndian.PutUint64(a[:], uint64(0x2400+0x200*random.IntN(5))<<48|random.Uint64()>>12)
				return netip.AddrFrom16(a)
			},
		} {
			for i := range addrs {
				addrs[i] = draw()
			}
			b.Run(q.name+"/"+family, func(b *testing.B) {
				sum := 0
				for i := range b.N {
					class, length := m.Find(addrs[i%len(addrs)])
					sum += class + length
				}
				if sum < 0 {
					b.Fatal("never")
				}
			})
		}
	}
}
