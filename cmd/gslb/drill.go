package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/internal/hostdns"
	"gslb/override"
	"gslb/zones"
)

// drillTimes are how a drill watches.
type drillTimes struct {
	every    time.Duration // from one question to a resolver to the next
	steady   time.Duration // for how long it must say the same to have followed: servers change one after the other
	patience time.Duration // how long it is waited for beyond the bound
}

const (
	drillWait = 2 * time.Second // for the reply of a resolver
	// drillRounding is how much longer than its TTL a resolver may keep an answer: it counts whole seconds.
	drillRounding = time.Second
	// undrainTries is how often a drain is ended that does not end, a second apart.
	undrainTries = 5
)

// statusLate is the exit status of a drill that was made, and in which a resolver did not move in time.
const statusLate = 1

func drillCommand() *cobra.Command {
	return newDrillCommand(drillTimes{every: time.Second, steady: 3 * time.Second, patience: 10 * time.Second})
}

func newDrillCommand(times drillTimes) *cobra.Command {
	d := &drill{times: times}
	cmd := &cobra.Command{
		Use:   "drill NAME",
		Short: "measure how long clients take to follow, by a drain that is undone",
		Long: `drill drains the pool that NAME is answered with, on all of your servers, measures after how
long the resolvers have followed, and ends the drain. It asks before. It ends the drain in any
case: if something fails, and if it is interrupted. Should it be killed, the drain ends by
itself, after --for.

Watched are the resolvers of this machine (/etc/resolv.conf) or, better, those of your clients,
which --resolver names. The other servers of NAME are given by --peer; the token, if there is
one, is the same for all. The exit status is 1 if a resolver did not follow within the bound,
which is the TTL and a second.

It moves your clients. Those with an open connection to the pool stay there, since it works.
What clients do in a real failure, each with its own cache, is measured by make drill: see
docs/drill.md.`,
		Example: `  gslb drill app.gslb.example.com
  gslb drill app.gslb.example.com --peer https://ns2.example.com:8053 --token-file ops.token --resolver 192.0.2.1`,
		Args: cobra.ExactArgs(1),
	}
	d.connection = addConnection(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&d.peers, "peer", nil, "another server of NAME: http(s)://HOST:PORT; may be repeated")
	flags.StringArrayVar(&d.resolvers, "resolver", nil, "a resolver to watch, ADDRESS or ADDRESS:PORT (default: this machine's); may be repeated")
	flags.StringVar(&d.lasts, "for", "10m", "the drain ends by itself after this, whatever becomes of the drill")
	flags.StringVar(&d.reason, "reason", "a drill", "why, in one line, for those who see the drain")
	flags.BoolVar(&d.yes, "yes", false, "do it without asking")
	flags.BoolVar(&d.json, "json", false, "print a JSON document")
	cmd.ValidArgsFunction = d.completeNames
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return d.run(cmd, zones.Qualified(args[0])) }
	return cmd
}

// drill is a drain that is watched and undone.
type drill struct {
	*connection
	peers, resolvers []string
	lasts, reason    string
	yes, json        bool
	times            drillTimes

	servers []*drilled
	watched []*watched
	out     screen
	aside   screen
}

// drilled is a server, and what it has done. It is a part of the JSON document.
type drilled struct {
	Server    string  `json:"server"`
	Drained   float64 `json:"drained_seconds"`   // until its answers had changed, from the begin on
	Undrained float64 `json:"undrained_seconds"` // the same, from the end of the drain on

	client *client
	is     bool // it is drained
}

// watched is a resolver, and when it has followed. It is a part of the JSON document.
type watched struct {
	Resolver string   `json:"resolver"`
	Moved    *float64 `json:"moved_seconds"` // from the begin of the drain on; null: it has not
	Back     *float64 `json:"back_seconds"`  // from its end on; null: it has not
	Says     string   `json:"says"`          // its last answer

	address netip.AddrPort
	// since is from when on it has been where it is to be; zero: it is not there.
	since time.Time
}

// drillReport is the JSON document.
type drillReport struct {
	Name      string     `json:"name"`
	Pool      string     `json:"pool"`
	Began     time.Time  `json:"began"`
	TTL       float64    `json:"ttl_seconds"`
	Bound     float64    `json:"bound_seconds"`
	Instead   string     `json:"instead"` // what is answered during the drain
	Servers   []*drilled `json:"servers"`
	Resolvers []*watched `json:"resolvers"`
}

func (d *drill) run(cmd *cobra.Command, name string) (err error) {
	ctx := cmd.Context()
	d.out, d.aside = newScreen(cmd.OutOrStdout()), newScreen(cmd.ErrOrStderr())
	if d.lasts, err = lasting(d.lasts); err != nil || d.lasts == "" {
		return exit{2, cmp.Or(err, errors.New("--for: a drill does not last forever; say a time such as 10m"))}
	}
	if err := d.meet(); err != nil {
		return err
	}
	before, err := d.explain(ctx, name)
	if err != nil {
		return err
	}
	name = before.Name
	pool := chosenPool(before)
	if pool == nil {
		return exit{1, fmt.Errorf("%s is not answered with one pool alone, but %s: a drill drains the one pool that clients have", zones.Plain(name), cmp.Or(before.Why, "with none"))}
	}
	r := &drillReport{Name: name, Pool: pool.Pool, TTL: before.TTL, Bound: before.TTL + drillRounding.Seconds(), Servers: d.servers, Resolvers: d.watched}
	if err := d.verify(ctx, name, pool.Addresses); err != nil {
		return err
	}
	if r.Instead, err = d.preview(ctx, name, r.Pool); err != nil {
		return err
	}
	if err := d.ask(cmd, r); err != nil {
		return err
	}
	// From here on a signal ends the drill, and not the program, which has a drain to end.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	r.Began = time.Now()
	err = d.measure(ctx, r, pool.Addresses)
	if err := errors.Join(err, d.print(r)); err != nil {
		return err
	}
	return d.late(r)
}

// meet makes the connections to the servers, and finds the resolvers.
func (d *drill) meet() error {
	connections := []*connection{d.connection}
	for _, peer := range d.peers {
		c := *d.connection
		c.server, c.socket = peer, ""
		connections = append(connections, &c)
	}
	if d.server == "" && len(d.peers) > 0 { // what is for servers over TCP is for the peers then
		own := connection{socket: d.socket}
		connections[0] = &own
	}
	for _, c := range connections {
		client, err := c.connect()
		if err != nil {
			return err
		}
		d.servers = append(d.servers, &drilled{Server: client.where, client: client})
	}
	var addresses []netip.AddrPort
	if len(d.resolvers) == 0 {
		var err error
		if addresses, err = hostdns.Servers(); err != nil {
			return err
		}
	}
	for _, text := range d.resolvers {
		address, err := netip.ParseAddrPort(text)
		if alone, err2 := netip.ParseAddr(text); err2 == nil {
			address, err = netip.AddrPortFrom(alone, 53), nil
		}
		if err != nil {
			return exit{2, fmt.Errorf("--resolver: %q is neither ADDRESS nor ADDRESS:PORT", text)}
		}
		addresses = append(addresses, address)
	}
	for _, address := range addresses {
		text := address.String()
		if address.Port() == 53 {
			text = address.Addr().String()
		}
		d.watched = append(d.watched, &watched{Resolver: text, address: address})
	}
	return nil
}

// explain says what all servers answer, if it is the same.
func (d *drill) explain(ctx context.Context, name string) (*api.Explanation, error) {
	var first *api.Explanation
	for _, s := range d.servers {
		e := new(api.Explanation)
		if _, err := s.client.get(ctx, "explain", url.Values{"name": {name}}, e); err != nil {
			return nil, err
		}
		switch {
		case first == nil:
			first = e
		case !slices.Equal(poolsOf(first), poolsOf(e)):
			return nil, exit{1, fmt.Errorf("the servers do not answer %s alike: %s says %s, %s says %s; mend that first",
				zones.Plain(name), d.servers[0].Server, strings.Join(poolsOf(first), " + "), s.Server, strings.Join(poolsOf(e), " + "))}
		default:
			first.TTL = max(first.TTL, e.TTL)
		}
	}
	return first, nil
}

func poolsOf(e *api.Explanation) []string {
	var pools []string
	for _, s := range e.Shares {
		pools = append(pools, s.Pool)
	}
	return pools
}

// chosenPool is the only pool that is answered; nil: there is none, or several.
func chosenPool(e *api.Explanation) *api.ExplainedPool {
	if len(e.Shares) != 1 {
		return nil
	}
	for i := range e.Tiers {
		for j, p := range e.Tiers[i].Pools {
			if p.Chosen && p.Pool == e.Shares[0].Pool && len(p.Addresses) > 0 {
				return &e.Tiers[i].Pools[j]
			}
		}
	}
	return nil
}

// verify leaves out the resolvers of this machine that do not answer the name with the pool, for nothing could be
// seen there. One that was named must.
func (d *drill) verify(ctx context.Context, name string, addresses []netip.Addr) error {
	var left []*watched
	for _, w := range d.watched {
		there, says, err := w.look(ctx, name, addresses)
		if err == nil && !there {
			err = fmt.Errorf("it says %s", says)
		}
		switch {
		case err == nil:
			left = append(left, w)
		case len(d.resolvers) == 0:
			d.aside.put(yellow, 2, "gslb: note: %s is not watched, since it does not answer %s with this pool: %v", w.Resolver, visible(zones.Plain(name)), err)
		default:
			return exit{1, fmt.Errorf("resolver %s does not answer %s with this pool, so that nothing could be seen there: %w", w.Resolver, zones.Plain(name), err)}
		}
	}
	if d.watched = left; len(left) == 0 {
		return exit{1, errors.New("there is no resolver that could be watched: name one by --resolver")}
	}
	return nil
}

// look asks a resolver whether it answers with any of the addresses.
func (w *watched) look(ctx context.Context, name string, addresses []netip.Addr) (there bool, says string, err error) {
	rtype := dns.TypeA
	if !slices.ContainsFunc(addresses, netip.Addr.Is4) {
		rtype = dns.TypeAAAA
	}
	client := &dns.Client{Timeout: drillWait}
	reply, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(name, rtype), w.address.String())
	if err != nil {
		return false, "", err
	}
	var words []string
	for _, rr := range reply.Answer {
		var address netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			address, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			address, _ = netip.AddrFromSlice(rr.AAAA)
		default:
			continue
		}
		words = append(words, address.String())
		there = there || slices.Contains(addresses, address)
	}
	if len(words) == 0 {
		return false, "", fmt.Errorf("no address (%s)", dns.RcodeToString[reply.Rcode])
	}
	return there, strings.Join(words, ", "), nil
}

// preview finds out what would be answered instead. It fails if the pool is drained already: that drain is
// somebody's, and not to be ended by a drill.
func (d *drill) preview(ctx context.Context, name, pool string) (instead string, err error) {
	for _, s := range d.servers {
		var list api.OverrideList
		if _, err := s.client.get(ctx, "overrides", nil, &list); err != nil {
			return "", err
		}
		for _, o := range list.Overrides {
			if o.Kind == override.Drain && o.Pool == pool && !o.Member.IsValid() || o.Kind == override.Pin && o.Name == name {
				return "", exit{1, fmt.Errorf("%s: %s is in force already, by %s (%s): a drill would end it, or show nothing", s.Server, overrideText(&o), o.By, o.Reason)}
			}
		}
		var result api.OverrideResult
		request := d.request(pool)
		request.Preview = true
		if _, err := s.client.do(ctx, call{method: http.MethodPost, path: "overrides", body: request, into: &result}, callWait); err != nil {
			return "", err
		}
		if s != d.servers[0] {
			continue
		}
		if !d.json {
			printChanges(d.out, result.Changes, result.ChangesTotal, "will be answered otherwise, for the time of the drill")
		}
		for _, c := range result.Changes {
			if slices.Contains(c.Names, name) {
				instead = c.To
			}
		}
	}
	return instead, nil
}

func (d *drill) request(pool string) *api.OverrideRequest {
	return &api.OverrideRequest{Kind: "drain", Pool: pool, Reason: d.reason, For: d.lasts}
}

// ask asks a person. Where there is none, the command line must say so: this moves all clients.
func (d *drill) ask(cmd *cobra.Command, r *drillReport) error {
	if d.yes {
		return nil
	}
	person := personAt(cmd)
	defer person.leave()
	if !person.there() {
		return exit{2, errors.New("nothing was done: a drill moves all clients of the pool; say --yes if it is to do so")}
	}
	return person.confirm(fmt.Sprintf("drain %s on %s, watch %s, and end the drain?", r.Pool, plural(len(d.servers), "server"), plural(len(d.watched), "resolver")))
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// measure drains, watches, undrains, and watches again. Whatever happens, what it has drained is undrained when it
// returns, or the error says what is not.
func (d *drill) measure(ctx context.Context, r *drillReport, addresses []netip.Addr) (err error) {
	undrain := sync.OnceValue(func() error { return d.undrain(context.WithoutCancel(ctx), r.Pool) })
	defer func() { err = errors.Join(err, undrain()) }()
	for _, s := range d.servers {
		s.is = true // from here on nobody knows
		if _, err := s.client.do(ctx, call{method: http.MethodPost, path: "overrides", body: d.request(r.Pool)}, callWait); err != nil {
			return err
		}
		s.Drained = time.Since(r.Began).Seconds()
	}
	d.tell("%s is drained on %s", r.Pool, plural(len(d.servers), "server"))
	bound := time.Duration(r.Bound * float64(time.Second))
	d.watch(ctx, r, addresses, false, bound+d.times.patience, func(w *watched, after time.Duration) {
		w.Moved = ptr(after.Seconds())
		d.tell("%s has followed, after %.0f s: %s", w.Resolver, after.Seconds(), w.Says)
	})
	if err := ctx.Err(); err != nil {
		return exit{1, errors.New("interrupted")}
	}
	if err := undrain(); err != nil {
		return err
	}
	after, err := d.explain(ctx, r.Name)
	if err != nil {
		return err
	}
	if pool := chosenPool(after); pool == nil || pool.Pool != r.Pool {
		d.tell("the drain is ended; %s stays with %s for now: %s", zones.Plain(r.Name), strings.Join(poolsOf(after), " + "), cmp.Or(after.RevisitWhy, after.Why))
		return nil
	}
	d.tell("the drain is ended")
	d.watch(ctx, r, addresses, true, bound+d.times.patience, func(w *watched, after time.Duration) {
		w.Back = ptr(after.Seconds())
		d.tell("%s is back, after %.0f s", w.Resolver, after.Seconds())
	})
	return nil
}

func ptr(f float64) *float64 { return &f }

// undrain ends the drain on all servers at the same time, so that none waits for one that hangs.
func (d *drill) undrain(ctx context.Context, pool string) error {
	errs := make([]error, len(d.servers))
	began := time.Now()
	var group sync.WaitGroup
	for i, s := range d.servers {
		if !s.is {
			continue
		}
		group.Go(func() {
			if err := s.undrain(ctx, pool); err != nil {
				errs[i] = fmt.Errorf("%s: THE DRAIN COULD NOT BE ENDED: %w; end it by gslb undrain %s, or it ends by itself %s after its begin", s.Server, err, pool, d.lasts)
				return
			}
			s.is, s.Undrained = false, time.Since(began).Seconds()
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// undrain ends the drain on a server. A drain that is not there has been refused, or has ended.
func (s *drilled) undrain(ctx context.Context, pool string) error {
	c := call{method: http.MethodDelete, path: "overrides/drain/" + url.PathEscape(pool), body: &api.RemoveRequest{Reason: "the drill is over"}}
	for try := 1; ; try++ {
		_, err := s.client.do(ctx, c, callWait)
		var no refused
		if errors.As(err, &no) && no.Type == api.NotFound {
			return nil
		}
		if err == nil || try == undrainTries {
			return err
		}
		time.Sleep(time.Second)
	}
}

// watch asks all resolvers until each answers with the addresses, or without, as it is wanted, and has done so for
// a while; or the time is over, or ctx ends.
func (d *drill) watch(ctx context.Context, r *drillReport, addresses []netip.Addr, wanted bool, wait time.Duration, followed func(*watched, time.Duration)) {
	began := time.Now()
	if !wanted {
		began = r.Began
	}
	left := slices.Clone(d.watched)
	for _, w := range left {
		w.since = time.Time{}
	}
	for len(left) > 0 && time.Since(began) < wait && ctx.Err() == nil {
		var group sync.WaitGroup
		for _, w := range left {
			group.Go(func() {
				there, says, err := w.look(ctx, r.Name, addresses)
				switch {
				case err != nil:
					w.Says, w.since = err.Error(), time.Time{}
				case there != wanted:
					w.Says, w.since = says, time.Time{}
				case w.since.IsZero():
					w.Says, w.since = says, time.Now()
				}
			})
		}
		group.Wait()
		left = slices.DeleteFunc(left, func(w *watched) bool {
			if w.since.IsZero() || time.Since(w.since) < d.times.steady {
				return false
			}
			followed(w, w.since.Sub(began))
			return true
		})
		select {
		case <-time.After(d.times.every):
		case <-ctx.Done():
		}
	}
}

// tell says what happens, unless a program reads.
func (d *drill) tell(format string, args ...any) {
	if !d.json {
		d.out.put(noPaint, 10, "%s  %s", time.Now().Format(time.TimeOnly), visible(fmt.Sprintf(format, args...)))
	}
}

// print writes the report.
func (d *drill) print(r *drillReport) error {
	if d.json {
		document := json.NewEncoder(d.out)
		document.SetIndent("", "  ")
		return document.Encode(r)
	}
	seconds := func(s *float64) cell {
		if s == nil {
			return cell{"not seen", yellow}
		}
		return cell{fmt.Sprintf("%.0f s", *s), noPaint}
	}
	var rows [][]cell
	for _, w := range r.Resolvers {
		rows = append(rows, []cell{{w.Resolver, noPaint}, seconds(w.Moved), {fmt.Sprintf("%.0f s", r.Bound), noPaint}, seconds(w.Back)})
	}
	d.out.table([]string{"RESOLVER", "FOLLOWED AFTER", "BOUND", "BACK AFTER"}, rows)
	return nil
}

// late is the error that a resolver has not followed in time.
func (d *drill) late(r *drillReport) error {
	allowed := r.Bound + d.times.every.Seconds()
	for _, s := range r.Servers { // which are drained one after the other
		allowed = max(allowed, s.Drained+r.Bound+d.times.every.Seconds())
	}
	for _, w := range r.Resolvers {
		if w.Moved == nil {
			return exit{statusLate, fmt.Errorf("resolver %s has not followed: it may keep answers for longer than their TTL of %s; it says %s", w.Resolver, seconds(r.TTL), w.Says)}
		}
		if *w.Moved > allowed {
			return exit{statusLate, fmt.Errorf("resolver %s has followed after %.0f s, later than the TTL of %s allows", w.Resolver, *w.Moved, seconds(r.TTL))}
		}
	}
	return nil
}
