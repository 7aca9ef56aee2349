package simulate

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"gslb/zones"
	"gslb/zones/config"
)

// family is a configuration, and what reloads make of it.
type family struct {
	text     [variants]string
	set      [variants]*zones.Set
	vantage  bool
	pools    []int // the members of each
	interval time.Duration
	fast     time.Duration
	timeout  time.Duration
	rise     int
	fall     int
	hold     time.Duration // suspect_hold
	table    *table        // nil: no pool has data
}

// The variants of a configuration.
const (
	original = iota
	retimed  // other thresholds and times
	changed  // other pools in another order
	variants
)

// families is how many there are: parsing takes longer than a run.
const families = 256

var family256 [families]struct {
	once sync.Once
	family
}

// familyOf is the family that a run with some number has.
func familyOf(n uint64) *family {
	f := &family256[n%families]
	f.once.Do(func() { f.family = newFamily(n % families) })
	return &f.family
}

func newFamily(n uint64) family {
	r := rand.New(rand.NewPCG(n, 1000))
	f := family{
		vantage:  r.IntN(3) == 0,
		interval: time.Duration(500+r.IntN(1500)) * time.Millisecond,
		rise:     1 + r.IntN(3),
		fall:     1 + r.IntN(3),
		hold:     time.Duration(4+r.IntN(5)) * time.Second,
	}
	f.fast = min(f.interval, time.Duration(200+r.IntN(800))*time.Millisecond)
	f.timeout = min(f.interval-time.Millisecond, time.Duration(150+r.IntN(600))*time.Millisecond)
	for range 2 + r.IntN(2) {
		f.pools = append(f.pools, 1+r.IntN(2))
	}
	parts := drawParts(r, &f)
	if r.IntN(4) == 0 {
		f.table = drawTable(r, &f)
	}
	for v := range f.set {
		f.text[v] = parts.text(&f, v)
		set, err := config.Parse([]byte(f.text[v]), "zones.toml", config.LoadOptions{Now: noon})
		if err != nil {
			panic(fmt.Sprintf("family %d, variant %d: %v\n%s", n, v, err, f.text[v]))
		}
		f.set[v] = set
	}
	return f
}

// parts is what is drawn of a family beyond numbers.
type parts struct {
	check    string // further keys
	safety   string
	names    [2]string // the keys of each name that vary, but for its pools
	own      bool      // the first pool has a check of its own
	judge    string    // the check of members: "web", or one that is calculated from it
	quorum   int       // min_up of the second pool
	fallback bool
	tiers    [2]bool // the first two pools of a name share a tier, and others stand behind it
}

func drawParts(r *rand.Rand, f *family) parts {
	p := parts{own: r.IntN(4) == 0, quorum: 1 + r.IntN(f.pools[1]), judge: "web"}
	if r.IntN(4) == 0 {
		p.judge = []string{"either", "both", "most", "nested"}[r.IntN(4)]
	}
	if r.IntN(6) == 0 {
		p.check = "\nflap = \"50%/10\""
	}
	p.safety = fmt.Sprintf("suspect_hold = %q\nsuspect_window = \"4s\"\n", f.hold)
	if f.vantage {
		p.safety = "vantage = [\"ref-a\", \"ref-b\"]\n"
	}
	if r.IntN(4) == 0 {
		p.safety += fmt.Sprintf("max_down = 1\nwithin = \"%ds\"\n", 5+r.IntN(15))
	}
	for i := range p.names {
		p.names[i] = drawName(r)
		p.tiers[i] = len(f.pools) > 2 && !strings.Contains(p.names[i], "policy = \"failover\"") && r.IntN(3) == 0
		p.fallback = p.fallback || strings.Contains(p.names[i], "fallback =")
	}
	return p
}

// drawName draws how a name is steered.
func drawName(r *rand.Rand) string {
	policy := []string{"failover", "failover", "failover", "weighted", "sticky", "all"}[r.IntN(6)]
	s := fmt.Sprintf("policy = %q\n", policy)
	switch whenAllDown := []string{"assume_up", "assume_up", "last_good", "fallback", "all", "nodata", "servfail"}[r.IntN(7)]; whenAllDown {
	case "fallback":
		s += "when_all_down = \"fallback\"\nfallback = \"spare\"\n"
	default:
		s += fmt.Sprintf("when_all_down = %q\n", whenAllDown)
	}
	failback := []string{"auto", "auto", "manual", "ramped"}[r.IntN(4)]
	if policy == "all" && failback == "ramped" {
		failback = "auto"
	}
	s += fmt.Sprintf("failback = %q\n", failback)
	if failback != "manual" && r.IntN(2) == 0 {
		s += fmt.Sprintf("failback_after = \"%ds\"\n", 1+r.IntN(4))
	}
	if failback == "ramped" {
		s += fmt.Sprintf("failback_ramp = \"%ds\"\n", 3+r.IntN(8))
	}
	if r.IntN(4) == 0 {
		s += fmt.Sprintf("failover_after = \"%ds\"\n", 1+r.IntN(3))
	}
	if r.IntN(5) == 0 && policy != "failover" {
		s += "panic_below = \"40%\"\n"
	}
	return s
}

// text writes a variant.
func (p *parts) text(f *family, variant int) string {
	var b strings.Builder
	rise, fall, fast := f.rise, f.fall, f.fast
	pools := []string{"\"a\"", "\"b\"", "\"c\""}[:len(f.pools)]
	switch variant {
	case retimed:
		rise, fall, fast = 1+rise%3, 1+fall%3, f.timeout
	case changed:
		pools = append([]string{pools[1], pools[0]}, "\"d\"")
	}
	fmt.Fprintf(&b, "server = { listen = [\"127.0.0.1:0\"] }\n[safety]\n%s", p.safety)
	fmt.Fprintf(&b, "[checks.web]\ntype = \"tcp\"\naddress = \"{address}:80\"\ninterval = %q\nfast_interval = %q\ntimeout = %q\nrise = %d\nfall = %d%s\n",
		f.interval, fast, f.timeout, rise, fall, p.check)
	if p.own {
		fmt.Fprintf(&b, "[checks.own]\ntype = \"tcp\"\naddress = \"{pool}.test:81\"\ninterval = %q\nfast_interval = %q\ntimeout = %q\nrise = %d\nfall = %d\n",
			f.interval, fast, f.timeout, rise, fall)
	}
	p.calculated(&b, fmt.Sprintf("interval = %q\nfast_interval = %q\ntimeout = %q\nrise = %d\nfall = %d\n", f.interval, fast, f.timeout, rise, fall))
	for _, ref := range []string{"ref-a", "ref-b"} {
		if f.vantage {
			fmt.Fprintf(&b, "[checks.%s]\ntype = \"tcp\"\naddress = \"198.51.100.%d:53\"\ninterval = %q\nfast_interval = %q\ntimeout = %q\nrise = 1\nfall = 2\n",
				ref, ref[4], f.interval, f.fast, f.timeout)
		}
	}
	if f.table != nil {
		b.WriteString(f.table.text(variant))
	}
	pool := func(name string, number, members, quorum int, checks string) {
		region, data := name, ""
		if f.table != nil && name != f.table.without {
			data = "replication = \"data\"\n"
			if name == "d" {
				region = "a" // two pools with one copy
			}
		}
		fmt.Fprintf(&b, "[pools.%s]\nregion = \"r%s\"\nchecks = [%s]\nmin_up = %d\n%smembers = [", name, region, checks, quorum, data)
		for m := range members {
			fmt.Fprintf(&b, "\"192.0.2.%d\",", number*10+m)
		}
		b.WriteString("]\n")
	}
	for i, members := range f.pools {
		if i == 2 && variant == changed {
			continue // no name has it
		}
		quorum, checks := 1, strconv.Quote(p.judge)
		if i == 1 {
			quorum = p.quorum
		}
		if i == 0 && p.own {
			checks += ", \"own\""
		}
		pool(string(rune('a'+i)), i+1, members, quorum, checks)
	}
	if variant == changed {
		pool("d", 4, 1, 1, strconv.Quote(p.judge))
	}
	if p.fallback {
		b.WriteString("[pools.spare]\nregion = \"rspare\"\nmembers = [\"192.0.2.90\"]\n")
	}
	b.WriteString("[zones.\"gslb.test\"]\nnameservers = { \"ns.example.net.\" = [] }\n")
	for i, name := range []string{"app", "api"} {
		order := append([]string(nil), pools...)
		if i == 1 {
			order[0], order[1] = order[1], order[0]
		}
		list := strings.Join(order, ", ")
		if p.tiers[i] {
			list = fmt.Sprintf("[%s, %s], %s", order[0], order[1], strings.Join(order[2:], ", "))
		}
		fmt.Fprintf(&b, "[zones.\"gslb.test\".names.%s]\npools = [%s]\n%s", name, list, p.names[i])
		if variant == retimed {
			b.WriteString("ttl = \"30s\"\n")
		}
	}
	return b.String()
}

// calculated writes the checks that the members are judged by, and those that they are calculated from. All
// checks of a member fail together, and "off" always does.
func (p *parts) calculated(b *strings.Builder, schedule string) {
	if p.judge == "web" {
		return
	}
	probed := func(name, address string) {
		fmt.Fprintf(b, "[checks.%s]\ntype = \"tcp\"\naddress = %q\n%s", name, address, schedule)
	}
	probed("alt", "{address}:82")
	switch p.judge {
	case "either":
		b.WriteString("[checks.either]\ntype = \"any\"\nof = [\"web\", \"alt\"]\n")
	case "both":
		b.WriteString("[checks.both]\ntype = \"all\"\nof = [\"web\", \"alt\"]\n")
	case "most":
		probed("third", "{address}:83")
		b.WriteString("[checks.most]\ntype = \"at_least\"\ncount = 2\nof = [\"web\", \"alt\", \"third\"]\n")
	case "nested":
		probed("off", "{pool}.off.test:84")
		b.WriteString("[checks.open]\ntype = \"not\"\nof = \"off\"\n[checks.some]\ntype = \"any\"\nof = [\"web\", \"alt\"]\n")
		b.WriteString("[checks.nested]\ntype = \"all\"\nof = [\"open\", \"some\"]\n")
	}
}
