package queries

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"gslb/bench/geodb"
)

// places opens small databases.
func places(t *testing.T) *clients {
	t.Helper()
	files, err := geodb.Make(t.TempDir(), 3000)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := geodb.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	return &clients{reader}
}

// TestClients has clients in every view: of the loads, and those that are looked for.
func TestClients(t *testing.T) {
	c := places(t)
	if got := c.view(tenViews, geodb.Moved.Addr()); tenViews[got] != "subdivision:US-CA" {
		t.Errorf("%v is in the view %s", geodb.Moved, tenViews[got])
	}
	if got := c.view(tenViews, netip.Addr{}); tenViews[got] != "default" {
		t.Errorf("a client without an address is in the view %s", tenViews[got])
	}
	for _, views := range [][]string{tenViews, sixViews} {
		for view, name := range views {
			found, err := c.in(views, view)
			if err != nil {
				t.Error(err)
			} else if got := c.view(views, found.subnet.Addr()); got != view {
				t.Errorf("a client for %s is %v, which is in %s", name, found, views[got])
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	seen := make(map[int]bool)
	for range 20_000 {
		at, in := atSource(r), inSubnet(r)
		for _, source := range []netip.Addr{at.source, in.source} {
			if b := source.As4(); b[0] != 127 || b[1] == 0 || b[1] == 255 {
				t.Fatalf("source %v", source)
			}
		}
		if at.subnet.IsValid() || in.subnet != in.subnet.Masked() {
			t.Fatalf("subnets %v and %v", at.subnet, in.subnet)
		}
		seen[c.view(tenViews, in.addr())] = true
	}
	for view, name := range tenViews {
		if !seen[view] && name != asView { // which is small
			t.Errorf("of 20,000 clients, none is in %s", name)
		}
	}
}

func TestJudgeOption(t *testing.T) {
	with := client{subnet: netip.MustParsePrefix("192.0.2.0/24")}
	v6 := client{subnet: netip.MustParsePrefix("2001:db8::/56")}
	for _, test := range []struct {
		name   string
		asked  client
		option dns.EDNS0 // nil: none
		right  bool
	}{
		{"none asked, none returned", client{}, nil, true},
		{"returned", with, with.option(), true},
		{"returned for IPv6", v6, v6.option(), true},
		{"returned with a scope", with, scoped(with, 16), true},
		{"not returned", with, nil, false},
		{"another one", with, client{subnet: netip.MustParsePrefix("192.0.3.0/24")}.option(), false},
		{"another length", with, client{subnet: netip.MustParsePrefix("192.0.2.0/25")}.option(), false},
		{"not asked", client{}, with.option(), false},
	} {
		reply := new(dns.Msg)
		if test.option != nil {
			reply.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{test.option}
		}
		if err := test.asked.judgeOption(reply); (err == nil) != test.right {
			t.Errorf("%s: judgeOption = %v", test.name, err)
		}
	}
}

func scoped(c client, scope uint8) *dns.EDNS0_SUBNET {
	option := c.option()
	option.SourceScope = scope
	return option
}

// TestAskAs has the right answers of each policy.
func TestAskAs(t *testing.T) {
	c := content{
		names: 50, pools: 7, views: tenViews, clients: places(t),
		policies: []string{failover, weighted, all, sticky, byView},
	}
	moved := client{source: geodb.Moved.Addr()}
	for _, test := range []struct {
		policy string
		who    client
		number int
		data   []string
		or     [][]string
	}{
		{failover, client{}, 0, []string{"127.1.0.1"}, nil},
		{failover, client{}, 9, []string{"127.1.0.3"}, nil},
		{failover, client{}, 10, []string{"127.1.0.1"}, nil}, // there are ten of each
		{weighted, client{}, 5, []string{"127.1.0.6"}, [][]string{{"127.1.0.7"}, {"127.1.0.1"}}},
		{sticky, moved, 5, []string{"127.1.0.6"}, [][]string{{"127.1.0.7"}, {"127.1.0.1"}}},
		{all, client{}, 5, []string{"127.1.0.6", "127.1.0.7", "127.1.0.1"}, nil},
		{byView, moved, 0, []string{"127.1.0.2"}, nil},    // the second of the views
		{byView, client{}, 0, []string{"127.1.0.3"}, nil}, // the tenth of them
	} {
		name := c.named(test.policy, test.number)
		q := c.askAs(test.who, name, dns.TypeA)
		if c.policy(name) != test.policy || q.name != owner(name)+"."+zone {
			t.Errorf("%s %d is %s, with the policy %s", test.policy, test.number, q.name, c.policy(name))
		}
		if diff := cmp.Diff(test.data, q.data); diff != "" {
			t.Errorf("%s %d: data (-want +got):\n%s", test.policy, test.number, diff)
		}
		if diff := cmp.Diff(test.or, q.or); diff != "" {
			t.Errorf("%s %d: other data (-want +got):\n%s", test.policy, test.number, diff)
		}
	}
}

// TestGroups has names that go over to other pools, in as many ways as there are groups.
func TestGroups(t *testing.T) {
	c := content{names: 5000, pools: 11, groups: 1000, views: sixViews, policies: []string{byView}}
	ways := make(map[string]bool)
	for name := range c.names {
		way := ""
		for view := range c.views {
			pools := c.route(name, view)
			next := c
			next.shift++
			if pools[0] != 0 || pools[1] == 0 || !slices.Equal(next.route(name, view), []int{pools[1], 0}) {
				t.Fatalf("name %d has the pools %v in view %d", name, pools, view)
			}
			way += fmt.Sprint(pools)
		}
		ways[way] = true
	}
	if len(ways) != c.groups {
		t.Errorf("%d ways, want %d", len(ways), c.groups)
	}
}

// TestSample takes the first questions, and those of further views.
func TestSample(t *testing.T) {
	var questions []question
	for i := range 1000 {
		questions = append(questions, question{name: fmt.Sprint(i), view: i / 400})
	}
	few := sample(questions)
	if len(few) != sampled+2 || few[sampled].name != "400" || few[sampled+1].name != "800" {
		t.Errorf("%d questions, want %d: the first, 400 and 800", len(few), sampled+2)
	}
	if few := sample(questions[:3]); len(few) != 3 {
		t.Errorf("%d of 3 questions", len(few))
	}
}

// TestMessage has the subnet in the message, and sources apart.
func TestMessage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	questions := []question{{name: zone, qtype: dns.TypeA, client: atSource(r)}, {name: zone, qtype: dns.TypeA, client: inSubnet(r)}}
	if got := sources(questions); !slices.Equal(got, []netip.Addr{questions[0].source, questions[1].source}) {
		t.Errorf("sources %v", got)
	}
	if got := sources([]question{{name: zone}}); got != nil {
		t.Errorf("sources %v of a question that has none", got)
	}
	packed, err := pack(questions)
	if err != nil {
		t.Fatal(err)
	}
	for i, message := range packed {
		var query dns.Msg
		if err := query.Unpack(message); err != nil {
			t.Fatal(err)
		}
		if err := questions[i].judgeOption(&query); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
}
