package answer

import (
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// weighing is shares with these weights, named a, b, c …
func weighing(weights ...uint32) []share {
	shares := make([]share, len(weights))
	for i, weight := range weights {
		shares[i] = share{seed: seedOf(string(rune('a' + i))), weight: weight}
	}
	return shares
}

// Of all random numbers, each share gets as many as its weight says, but for one in a column, since
// numbers cannot be cut in pieces.
func TestColumnsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Uint32Range(0, 5), rapid.Uint32Range(0, 1<<20)), 2, 40).Draw(t, "weights")
		weights[0] = max(weights[0], 1)
		var sum uint64
		for _, weight := range weights {
			sum += uint64(weight)
		}
		columns := newColumns(weighing(weights...))
		got := make([]uint64, len(weights)) // numbers, of 2^32 a column
		for i, c := range columns {
			if c.other == int32(i) {
				got[i] += 1 << 32
				continue
			}
			got[i] += uint64(c.threshold)
			got[c.other] += 1<<32 - uint64(c.threshold)
		}
		for i, weight := range weights {
			want := new(big.Int).Mul(big.NewInt(int64(weight)*int64(len(weights))), big.NewInt(1<<32))
			want.Div(want, big.NewInt(int64(sum)))
			if diff := math.Abs(float64(got[i]) - float64(want.Uint64())); diff > float64(len(weights)) {
				t.Fatalf("weight %d of %d in %v: %d numbers, want %d", weight, sum, weights, got[i], want)
			}
			if weight == 0 && got[i] != 0 {
				t.Fatalf("weight 0 gets %d numbers", got[i])
			}
		}
	})
}

// A draw looks at the upper half of a number for the column, and at the lower half for the threshold.
func TestDraw(t *testing.T) {
	columns := newColumns(weighing(1, 3))
	for random, want := range map[uint64]int{
		0: 0, 1<<31 - 1: 0, 1 << 31: 1, 1<<32 - 1: 1, 1 << 63: 1, 1<<63 + 1<<32 - 1: 1, math.MaxUint64: 1,
	} {
		if got := draw(columns, random); got != want {
			t.Errorf("%x draws %d, want %d", random, got, want)
		}
	}
}

// sigmas is by how many standard deviations a count of so many trials is off.
func sigmas(count, trials int, p float64) float64 {
	return math.Abs(float64(count)-float64(trials)*p) / math.Sqrt(float64(trials)*p*(1-p))
}

// Clients share pools by weight, whether they are drawn or stick, to within three standard deviations.
func TestSharesByWeight(t *testing.T) {
	const trials = 1_000_000
	l := &Lookup{seed: 1}
	for _, weights := range [][]uint32{{1, 1}, {3, 1}, {1, 2, 3, 4}, {0, 1, 1}, {1, 1000}, {1, 1 << 20, 1 << 20}, {7}} {
		shares := weighing(weights...)
		columns := newColumns(shares)
		sum := uint32(0)
		for _, weight := range weights {
			sum += weight
		}
		ways := map[string]func(i int) int{
			"drawn":         func(int) int { return draw(columns, l.random()) },
			"sticking":      func(i int) int { return stickTo(shares, uint64(i)) },
			"sticking, key": func(i int) int { return stickTo(shares, 1<<63|uint64(i)<<5) },
		}
		for way, pick := range ways {
			counts := make([]int, len(shares))
			for i := range trials {
				counts[pick(i)]++
			}
			for i, weight := range weights {
				p := float64(weight) / float64(sum)
				if p == 0 || p == 1 {
					if counts[i] != int(p)*trials {
						t.Errorf("%s %v: %d for share %d", way, weights, counts[i], i)
					}
				} else if off := sigmas(counts[i], trials, p); off > 3 {
					t.Errorf("%s %v: %d for share %d, want %.0f: %.1f sigma", way, weights, counts[i], i, p*trials, off)
				}
			}
		}
	}
}

// A pool that is lost moves only its own clients; one that comes back takes only these back. More
// weight takes clients only for the pool that has more.
func TestStickingMovesNoMoreThanItMust(t *testing.T) {
	const clients = 100_000
	rapid.Check(t, func(t *rapid.T) {
		shares := weighing(rapid.SliceOfN(rapid.Uint32Range(1, 100), 2, 6).Draw(t, "weights")...)
		lost := rapid.IntRange(0, len(shares)-1).Draw(t, "lost")
		left := slices.Delete(slices.Clone(shares), lost, lost+1)
		heavier := slices.Clone(shares)
		heavier[lost].weight += rapid.Uint32Range(1, 100).Draw(t, "more")
		for i := range uint64(clients / 100) {
			before := shares[stickTo(shares, i)].seed
			if after := left[stickTo(left, i)].seed; before != shares[lost].seed && after != before {
				t.Fatalf("client %d moves, though its pool is there still", i)
			}
			if after := heavier[stickTo(heavier, i)].seed; after != before && after != shares[lost].seed {
				t.Fatalf("client %d moves to a pool that has no more weight than before", i)
			}
		}
	})
}

// The order in which pools are configured is nothing to a client.
func TestStickingIsTheSameInAnyOrder(t *testing.T) {
	shares := weighing(5, 1, 2, 2)
	reversed := slices.Clone(shares)
	slices.Reverse(reversed)
	for i := range uint64(100_000) {
		if shares[stickTo(shares, i)].seed != reversed[stickTo(reversed, i)].seed {
			t.Fatalf("client %d", i)
		}
	}
}

// All servers agree on the pool of a client, of any version and on any processor. If this has to
// change, clients move in an upgrade.
func TestStickingIsTheSameOnAllServers(t *testing.T) {
	shares := make([]share, 0, 4)
	for name, weight := range map[string]uint32{"nyc": 3, "sfo": 1, "ams": 2, "sin": 1} {
		shares = append(shares, share{seed: seedOf(name), weight: weight})
	}
	nameOf := func(seed uint64) string {
		for _, name := range []string{"nyc", "sfo", "ams", "sin"} {
			if seedOf(name) == seed {
				return name
			}
		}
		return ""
	}
	var got []string
	for _, client := range []string{
		"192.0.2.1", "192.0.3.1", "192.0.4.1", "198.51.100.7", "203.0.113.9", "10.0.0.1", "10.1.2.3", "172.16.0.1",
		"2001:db8::1", "2001:db8:0:100::1", "2001:db8:0:200::1", "2001:db8:1::1", "2a00::1", "fe80::1", "::1", "",
	} {
		addr, _ := netip.ParseAddr(client)
		key, _ := network(addr)
		got = append(got, nameOf(shares[stickTo(shares, key)].seed))
	}
	const want = "ams nyc sfo ams nyc sfo sin ams ams sin sin nyc nyc sin ams ams"
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if seedOf("nyc") != 0xa2567afc573c7904 {
		t.Errorf("%#x", seedOf("nyc"))
	}
	if got := exponential(seedOf("nyc")); got != 3924461457 {
		t.Errorf("%d", got)
	}
}

func TestNetwork(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
		bits int
	}{
		{"192.0.2.1", "192.0.2.255", true, 24},
		{"192.0.2.1", "192.0.3.1", false, 24},
		{"2001:db8::1", "2001:db8:0:ff:ffff::", true, 56},
		{"2001:db8::1", "2001:db8:0:100::1", false, 56},
		{"0.0.0.0", "::", false, 24},
	}
	for _, tt := range tests {
		a, bits := network(netip.MustParseAddr(tt.a))
		b, _ := network(netip.MustParseAddr(tt.b))
		if (a == b) != tt.same || bits != tt.bits {
			t.Errorf("%s and %s: the same %t; %d bits", tt.a, tt.b, a == b, bits)
		}
	}
	if key, bits := network(netip.Addr{}); key != 0 || bits != 0 {
		t.Errorf("nobody: %d, %d", key, bits)
	}
}

// log2 never falls, and is as exact as it says.
func TestLog2(t *testing.T) {
	check := func(x uint64) {
		got, want := float64(log2(x))/(1<<31), math.Log2(float64(x))
		if math.Abs(got-want) > 1.0/(1<<18) {
			t.Errorf("log2(%d) is %.9f, want %.9f", x, got, want)
		}
	}
	for i := range 64 {
		check(1 << i)
		check(1<<i | 1)
		check(1<<i - 1 | 1)
	}
	l := &Lookup{seed: 1}
	before := uint64(0)
	for i := range 100_000 {
		check(l.random()>>(i%64) | 1)
		x := math.MaxUint64/100_000*uint64(i) | 1
		if got := log2(x); got < before {
			t.Fatalf("log2(%d) is less than that of a lesser number", x)
		} else {
			before = got
		}
	}
	// Near 2^64, where the logarithms that decide for heavy pools are, what counts is the error
	// relative to the distance.
	for _, distance := range []uint64{1 << 40, 1 << 44, 1 << 50, 1 << 56, 1 << 60} {
		x := -distance
		got := float64(64<<31-log2(x)) / (1 << 31)
		want := -math.Log1p(-math.Ldexp(float64(distance), -64)) / math.Ln2
		if math.Abs(got-want) > want*1e-3+1.0/(1<<31) {
			t.Errorf("at a distance of 2^%.0f: %g, want %g", math.Log2(float64(distance)), got, want)
		}
	}
}

// window picks a start, each as likely as the others.
func TestBelow(t *testing.T) {
	l := &Lookup{seed: 1}
	for _, n := range []int{1, 2, 3, 7, 100, 3000} {
		const trials = 300_000
		counts := make([]int, n)
		for range trials {
			counts[below(l.random(), n)]++
		}
		worst := 0.0
		for _, count := range counts {
			if n > 1 {
				worst = max(worst, sigmas(count, trials, 1/float64(n)))
			}
		}
		if worst > 4.5 { // of up to 3000
			t.Errorf("below %d: %.1f sigma", n, worst)
		}
		if below(0, n) != 0 || below(math.MaxUint64, n) != n-1 {
			t.Errorf("below %d: from %d to %d", n, below(0, n), below(math.MaxUint64, n))
		}
	}
}
