//go:build integration

package decisions

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

const spreadConfig = `
[pools]
x = { members = ["10.8.5.1", "10.8.5.2", "10.8.5.3", "10.8.5.4", "10.8.5.5", "10.8.5.6", "10.8.5.7", "10.8.5.8", "10.8.5.9", "10.8.5.10"] }
y = { members = ["10.8.6.1", "10.8.6.2", "10.8.6.3", "10.8.6.4", "10.8.6.5", "10.8.6.6", "10.8.6.7", "10.8.6.8", "10.8.6.9", "10.8.6.10"] }
few = { members = ["10.8.7.1", "10.8.7.2", "10.8.7.3", "fd08:7::1", "fd08:7::2"] }

[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }

[zones."decisions.example".names]
all     = { policy = "all", pools = ["x", "y"] }
rotate  = { pools = ["few"] }
fixed   = { pools = ["few"], order = "fixed" }
`

// TestSpread counts what clients take, which is the first address: with rotation each is the first
// as often as the others, of a whole answer and of a part of one.
func TestSpread(t *testing.T) {
	w := serve(t, spreadConfig, settings{})
	const count = 4000
	for _, test := range []struct {
		name, answer string
		first        int // how many addresses are ever the first
	}{
		{"all", "8 of x + y", 20},
		{"rotate", "few", 3},
	} {
		q := question{name: test.name + "." + w.zone, qtype: dns.TypeA}
		want := w.expect(t, test.answer)
		err := fmt.Errorf("never asked")
		for range 3 { // for what is off by chance: see check
			replies := w.replies(t, q, count)
			if err = want.all(replies); err == nil {
				err = sharesFirst(replies, test.first)
			}
			if err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%v: %v", q, err)
		}
	}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		q := question{name: "fixed." + w.zone, qtype: qtype}
		inOrder := slices.Clone(w.pools["few"])
		inOrder = slices.DeleteFunc(inOrder, func(a netip.Addr) bool { return a.Is4() != (qtype == dns.TypeA) })
		for _, r := range w.replies(t, q, 50) {
			if !slices.Equal(r.addrs, inOrder) {
				t.Fatalf("%v: %v, want %v", q, r.addrs, inOrder)
			}
		}
	}
}

// sharesFirst checks that so many addresses are first, each as often as the others.
func sharesFirst(replies []reply, addrs int) error {
	first := make(map[netip.Addr]int)
	for _, r := range replies {
		first[r.addrs[0]]++
	}
	if len(first) != addrs {
		return fmt.Errorf("%d addresses were first, want %d", len(first), addrs)
	}
	for a, seen := range first {
		if err := isShare(seen, len(replies), 1/float64(addrs)); err != nil {
			return fmt.Errorf("%v as the first %w", a, err)
		}
	}
	return nil
}

// TestWeightsReload changes weights: the shares are the new ones at once.
func TestWeightsReload(t *testing.T) {
	config := func(weights string) string {
		return `
[pools]
x = { members = ["10.8.5.1"] }
y = { members = ["10.8.6.1"] }
z = { members = ["10.8.7.1"] }
[zones."decisions.example"]
nameservers = { ns1 = ["192.0.2.53"] }
names.app = { policy = "weighted", pools = ["x", "y", "z"], weights = { ` + weights + ` } }
`
	}
	w := serve(t, config(""), settings{})
	w.checkNow(t, map[string]string{"app": "1 x / 1 y / 1 z"})
	for _, step := range []struct{ weights, want string }{
		{"x = 8, y = 1", "8 x / 1 y / 1 z"},
		{"x = 0, y = 1000, z = 3000", "1 y / 3 z"},
		{"x = 0, y = 0, z = 1", "z"},
		{"x = 0, y = 0, z = 0", "1 x / 1 y / 1 z"},
	} {
		w.reload(t, config(step.weights))
		w.checkNow(t, map[string]string{"app": step.want})
	}
}
