package tcp

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestClientKey(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":         "192.0.2.1/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0":      "fe80::/64",
	} {
		if got := clientKey(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}

// fakeConn is a connection that only the table knows of.
type fakeConn struct {
	entry
	name    string
	evicted bool
}

func (c *fakeConn) evict() { c.evicted = true }

func newFakeConn(name, client string, active int64) *fakeConn {
	c := &fakeConn{name: name}
	c.conn, c.client = c, clientKey(netip.MustParseAddr(client))
	c.active.Store(active)
	return c
}

// TestTable follows a table through its limits: 4 in all, 2 for each client.
func TestTable(t *testing.T) {
	conns := newTable(4, 2)
	byName := make(map[string]*fakeConn)
	steps := []struct{ name, client, limit, evicted string }{
		{"a1", "192.0.2.1", "", ""},
		{"a2", "192.0.2.1", "", ""},
		{"b1", "2001:db8::1", "", ""},
		{"a3", "192.0.2.1", "client", "a2"}, // a1 has sent a query since
		{"b2", "2001:db8::2", "", ""},
		{"c1", "192.0.2.3", "total", "b1"},
		{"b3", "2001:db8::3", "", ""}, // b2 was closed by its client
	}
	gone := make(map[string]bool)
	for i, step := range steps {
		switch step.name {
		case "a3":
			byName["a1"].active.Store(100)
		case "b3":
			if !conns.remove(&byName["b2"].entry) || conns.remove(&byName["b1"].entry) {
				t.Error("the table is wrong about which of b1 and b2 was evicted")
			}
		}
		c := newFakeConn(step.name, step.client, int64(i))
		byName[step.name] = c
		if got := conns.add(&c.entry); got != step.limit {
			t.Errorf("adding %s exceeded limit %q, want %q", step.name, got, step.limit)
		}
		for name, c := range byName {
			if c.evicted && !gone[name] && name != step.evicted {
				t.Errorf("adding %s evicted %s, want %q", step.name, name, step.evicted)
			}
			gone[name] = c.evicted
		}
		if step.evicted != "" && !gone[step.evicted] {
			t.Errorf("adding %s did not evict %s", step.name, step.evicted)
		}
	}
	for _, c := range byName {
		conns.remove(&c.entry)
	}
	if len(conns.all.entries) != 0 || len(conns.clients) != 0 {
		t.Errorf("%d connections and %d clients are left in an empty table", len(conns.all.entries), len(conns.clients))
	}
}

// TestTableResize makes a table smaller than what is in it, and larger again.
func TestTableResize(t *testing.T) {
	conns := newTable(8, 8)
	var open []*fakeConn
	add := func() {
		c := newFakeConn("", "192.0.2.1", int64(len(open)))
		open = append(open, c)
		conns.add(&c.entry)
	}
	check := func(when string, evicted int) {
		t.Helper()
		for i, c := range open {
			if c.evicted != (i < evicted) {
				t.Errorf("%s: connection %d evicted: %t, want the first %d", when, i, c.evicted, evicted)
			}
		}
	}
	for range 8 {
		add()
	}
	conns.resize(3)
	check("smaller", 5)
	add()
	check("one more", 6)
	conns.resize(5)
	add()
	add()
	check("larger", 6)
	add()
	check("full again", 7)
}

// TestIdlest compares the table with a list in which the idlest is looked for.
func TestIdlest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit, perClient = 12, 5
		conns := newTable(limit, perClient)
		var open []*fakeConn // by when they were last active
		now := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				now++
				client := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"}).Draw(t, "client")
				c := newFakeConn("", client, now)
				own := func(other *fakeConn) bool { return other.client == c.client }
				var want *fakeConn
				switch mine := slices.IndexFunc(open, own); {
				case count(open, own) >= perClient:
					want = open[mine]
				case len(open) >= limit:
					want = open[0]
				}
				conns.add(&c.entry)
				for _, other := range open {
					if other.evicted != (other == want) {
						t.Fatalf("a connection that was active at %d: evicted %v", other.active.Load(), other.evicted)
					}
				}
				open = slices.DeleteFunc(open, func(other *fakeConn) bool { return other == want })
				open = append(open, c)
			},
			"query": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				now++
				i := rapid.IntRange(0, len(open)-1).Draw(t, "connection")
				c := open[i]
				c.active.Store(now)
				open = append(slices.Delete(open, i, i+1), c)
			},
			"close": func(t *rapid.T) {
				if len(open) == 0 {
					return
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "connection")
				if !conns.remove(&open[i].entry) {
					t.Fatal("an open connection counts as evicted")
				}
				open = slices.Delete(open, i, i+1)
			},
			"": func(t *rapid.T) {
				if got := len(conns.all.entries); got != len(open) {
					t.Fatalf("%d connections, want %d", got, len(open))
				}
			},
		})
	})
}

func count(conns []*fakeConn, is func(*fakeConn) bool) (n int) {
	for _, c := range conns {
		if is(c) {
			n++
		}
	}
	return n
}
