package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/example"
	"gslb/integration/parts"
)

// zonesFile is the configuration that is drilled, from the root of the checkout.
const zonesFile = "zones.toml"

// rootAddr is where the root of the names is served from. Resolvers stand at the addresses that follow.
var rootAddr = netip.MustParseAddr("127.53.0.1")

// stack is all that runs: the two regions of the worked example; two servers, each at the address that the
// zone has for it; a root that delegates the zone to them; resolvers that find them from there; and clients
// on the resolvers, which know nothing but a name.
type stack struct {
	lab        *parts.Lab
	root       string // of the checkout
	self       string // this program
	dir        string
	example    *example.Example
	name       string // that clients ask for
	url        string
	preferred  string // its first pool
	other      string // its second one
	hints      string // files
	nsswitch   string
	regions    map[string]*parts.Region // by pool
	servers    []*server
	resolvers  []*resolver
	clients    []*client
	resolvedBy []*track // one a resolver
	watching   sync.WaitGroup
	stop       context.CancelFunc
}

// server is a gslb, and what it answers.
type server struct {
	*parts.GSLB
	name  string
	track track
}

// plan is what is to run, besides regions and servers.
type plan struct {
	name      string // that clients ask for; empty: the first name
	resolvers []resolverKind
	clients   []clientKind
}

// bringUp starts everything, in an order in which each finds what it needs.
func bringUp(ctx context.Context, lab *parts.Lab, root, dir string, p plan, say func(string, ...any)) (up *stack, err error) {
	s := &stack{lab: lab, root: root, dir: dir, regions: make(map[string]*parts.Region), stop: func() {}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := s.read(p.name); err != nil {
		return nil, err
	}
	if err := addLink(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	regions, err := lab.StartRegions(ctx, s.example.Regions...)
	if err != nil {
		return nil, err
	}
	for _, r := range regions {
		s.regions[r.Name] = r
	}
	s.url = fmt.Sprintf("http://%s:%d/ping", strings.TrimSuffix(s.name, "."), s.regions[s.preferred].LoadBalancer.Listen.Port())
	if s.example.Copied {
		global, err := parts.Replicate(ctx, regions...)
		if err != nil {
			return nil, err
		}
		s.onClose(global.Close)
	}
	say("the regions are up, after %.0f s", time.Since(begun).Seconds())
	if err := s.startServers(ctx); err != nil {
		return nil, err
	}
	say("two servers serve %s", zonesFile)
	if err := s.startRoot(ctx); err != nil {
		return nil, err
	}
	if err := s.startResolvers(ctx, p.resolvers, say); err != nil {
		return nil, err
	}
	s.watch(ctx)
	return s, s.startClients(ctx, p.clients, say)
}

// onClose has something done, besides what is done already, when the stack is closed.
func (s *stack) onClose(f func() error) {
	before := s.stop
	s.stop = func() { before(); _ = f() }
}

// close ends what runs inside this program, and the clients and resolvers: there may be so many that they take
// long to end when they are asked. All else ends with the lab.
func (s *stack) close() {
	s.stop()
	s.watching.Wait()
	var group sync.WaitGroup
	for _, c := range s.clients {
		group.Go(c.Kill)
	}
	for _, r := range s.resolvers {
		group.Go(r.Kill)
	}
	group.Wait()
}

// read reads the configuration, and finds the two pools between which clients are to move.
func (s *stack) read(name string) (err error) {
	if s.example, err = example.Read(filepath.Join(s.root, zonesFile)); err != nil {
		return err
	}
	if name == "" {
		name = s.example.Names[0]
	}
	s.name = dns.Fqdn(name)
	steered, ok := s.example.Steered[s.name]
	if !ok || len(steered.Pools) < 2 {
		return fmt.Errorf("%s: clients can be moved of a name that has two pools, and %s has not; there is %s", zonesFile, name, strings.Join(s.example.Names, ", "))
	}
	if len(s.example.Servers) < 2 {
		return fmt.Errorf("%s: the zone has %d name servers, and the drill needs two", zonesFile, len(s.example.Servers))
	}
	s.preferred, s.other = steered.Pools[0], steered.Pools[1]
	return nil
}

// startServers starts two servers with the configuration, each with a place of its own.
func (s *stack) startServers(ctx context.Context) error {
	for i, address := range s.example.Servers[:2] {
		name := fmt.Sprintf("gslb%d", i+1)
		if err := addAddress(ctx, address); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		place := example.Place{
			Listen: []netip.AddrPort{netip.AddrPortFrom(address, 53)},
			Admin:  netip.AddrPortFrom(s.example.Admin.Addr(), s.example.Admin.Port()+uint16(i)),
			State:  filepath.Join(s.dir, name+"-state"),
			ID:     name,
		}
		path := filepath.Join(s.dir, name+".toml")
		if err := example.Write(path, filepath.Join(s.root, zonesFile), place); err != nil {
			return err
		}
		g, err := s.lab.StartGSLB(ctx, parts.GSLBConfig{Name: name, Zones: path, Listen: place.Listen[0], Admin: place.Admin, Env: parts.Credentials()})
		if err != nil {
			return err
		}
		s.servers = append(s.servers, &server{GSLB: g, name: name})
	}
	return nil
}

// addAddress gives this network one more address.
func addAddress(ctx context.Context, address netip.Addr) error {
	if out, err := parts.Output(ctx, "ip", "addr", "add", address.String()+"/32", "dev", "lo"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// addLink gives this network an interface besides lo, which leads nowhere: systemd-resolved and browsers
// take a machine without any to be offline.
func addLink(ctx context.Context) error {
	for _, line := range []string{"link add drill0 type veth peer name drill1", "addr add 10.54.0.1/24 dev drill0", "link set drill0 up", "link set drill1 up"} {
		if out, err := parts.Output(ctx, "ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// startRoot serves the zones above the servers' own, from the root down: each delegates the next one, and the
// last one has the records that gslb prints for it.
func (s *stack) startRoot(ctx context.Context) error {
	records, err := parts.Output(ctx, filepath.Join(s.root, "bin", "gslb"), "delegation", filepath.Join(s.root, zonesFile))
	if err != nil {
		return fmt.Errorf("%w: %s", err, records)
	}
	s.hints = filepath.Join(s.dir, "root.hints")
	s.nsswitch = filepath.Join(s.dir, "nsswitch.conf")
	errs := []error{
		parts.Render(s.hints, templates, "root.hints", rootAddr),
		os.WriteFile(s.nsswitch, []byte("passwd: files\ngroup: files\nhosts: files dns\n"), 0o644),
	}
	zones := make(map[string]string)
	for above := parentOf(s.example.Zone); ; above = parentOf(above) {
		file := filepath.Join(s.dir, "zone-"+above)
		errs = append(errs, parts.Render(file, templates, "parent.zone", struct {
			Zone, Records string
			Root          netip.Addr
		}{above, records, rootAddr}))
		zones[above] = file
		if above == "." {
			break
		}
		records = above + " NS a.root.\n"
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = s.lab.StartNSD(ctx, parts.NSDConfig{Name: "root", Listen: netip.AddrPortFrom(rootAddr, 53), Zones: zones})
	return err
}

// parentOf is the zone above another one.
func parentOf(zone string) string {
	_, above, _ := strings.Cut(zone, ".")
	return cmp.Or(above, ".")
}

func (s *stack) startResolvers(ctx context.Context, kinds []resolverKind, say func(string, ...any)) error {
	addr, upstream := rootAddr, netip.Addr{}
	for _, kind := range kinds {
		if kind.forwards && !upstream.IsValid() {
			return fmt.Errorf("resolver %s forwards: name one before it that resolves by itself", kind.name)
		}
		addr = addr.Next()
		if err := addAddress(ctx, addr); err != nil { // BIND listens on addresses of interfaces alone
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		r, err := s.startResolver(ctx, kind, addr, upstream)
		if err != nil {
			return err
		}
		if !upstream.IsValid() {
			upstream = r.listen
		}
		s.resolvers = append(s.resolvers, r)
		s.resolvedBy = append(s.resolvedBy, new(track))
		say("%s resolves (%s)", r.name, r.version)
	}
	return nil
}

// clientWait is how long a client may take to start: many do at the same time, some of them virtual machines.
const clientWait = 3 * time.Minute

// startClients starts every client on every resolver, a few at a time.
func (s *stack) startClients(ctx context.Context, kinds []clientKind, say func(string, ...any)) error {
	ctx, cancel := context.WithTimeout(ctx, clientWait)
	defer cancel()
	// Who keeps an address for longest comes last, so that the first fault finds it with one that is young.
	kinds = slices.Clone(kinds)
	slices.SortStableFunc(kinds, func(a, b clientKind) int { return cmp.Compare(a.keeps, b.keeps) })
	for _, kind := range kinds {
		if err := s.prepare(ctx, kind); err != nil {
			return err
		}
		begun := time.Now()
		started, errs := make([]*client, len(s.resolvers)), make([]error, len(s.resolvers))
		var group sync.WaitGroup
		for i, r := range s.resolvers {
			group.Go(func() { started[i], errs[i] = s.startClient(ctx, kind, r) })
		}
		group.Wait()
		for _, c := range started {
			if c != nil {
				s.clients = append(s.clients, c)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		say("%s asks through %d resolvers, after %.0f s (%s)", kind.name, len(started), time.Since(begun).Seconds(), started[0].version)
	}
	return nil
}

// How often servers and resolvers are asked, and how often it is looked at what clients have written.
const (
	serverEvery   = 50 * time.Millisecond
	resolverEvery = 250 * time.Millisecond
)

// watch asks every server and every resolver all the time.
func (s *stack) watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.onClose(func() error { cancel(); return nil })
	for _, server := range s.servers {
		s.watching.Go(func() {
			s.observe(ctx, serverEvery, &server.track, func(ctx context.Context) ([]netip.Addr, error) {
				reply, err := parts.Ask(ctx, server.Listen, s.name, dns.TypeA)
				if err != nil {
					return nil, err
				}
				return parts.Addresses(reply.Answer), nil
			})
		})
	}
	for i, resolver := range s.resolvers {
		s.watching.Go(func() {
			s.observe(ctx, resolverEvery, s.resolvedBy[i], func(ctx context.Context) ([]netip.Addr, error) { return resolver.resolve(ctx, s.name) })
		})
	}
}

// observe asks again and again, and keeps what it sees. One question that is lost on a busy machine says nothing of
// who is answered; two in a row say that nobody is.
func (s *stack) observe(ctx context.Context, every time.Duration, t *track, ask func(context.Context) ([]netip.Addr, error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for lost := 0; ctx.Err() == nil; {
		begun := time.Now()
		addrs, err := ask(ctx)
		o := observation{At: time.Now()}
		o.Took = o.At.Sub(begun)
		if err != nil {
			o.Err = err.Error()
		} else if o.Region = s.poolOf(addrs); o.Region == "" {
			o.Err = fmt.Sprintf("no region's addresses: %v", addrs)
		}
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			lost++
		} else {
			lost = 0
		}
		if ctx.Err() == nil && lost != 1 {
			t.add(o)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// poolOf is the pool whose address is the only one; empty: there is none such.
func (s *stack) poolOf(addrs []netip.Addr) string {
	for name, r := range s.regions {
		if len(addrs) == 1 && addrs[0] == r.LoadBalancer.Listen.Addr() {
			return name
		}
	}
	return ""
}

// regionNamed is the pool in a region of AWS.
func (s *stack) regionNamed(aws string) string {
	for _, r := range s.example.Regions {
		if r.AWSRegion == aws {
			return r.Name
		}
	}
	return ""
}
