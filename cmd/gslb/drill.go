package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gslb/internal/plural"
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
	return person.confirm(fmt.Sprintf("drain %s on %s, watch %s, and end the drain?", r.Pool, plural.Of(len(d.servers), "server", "servers"), plural.Of(len(d.watched), "resolver", "resolvers")))
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
	d.tell("%s is drained on %s", r.Pool, plural.Of(len(d.servers), "server", "servers"))
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
		back := cell{"-", noPaint}
		if w.Moved != nil {
			back = seconds(w.Back)
		}
		rows = append(rows, []cell{{w.Resolver, noPaint}, seconds(w.Moved), {fmt.Sprintf("%.0f s", r.Bound), noPaint}, back})
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
