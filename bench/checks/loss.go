package checks

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// lossPoll is how often every name is asked: less often than any answer can change twice.
const lossPoll = 100 * time.Millisecond

// Settings that packets are lost under: those of the worked example, and the defaults.
var lossSettings = []struct {
	name string
	settings
}{
	{"example", settings{Interval: 2 * time.Second, Fast: 500 * time.Millisecond, Timeout: time.Second, Rise: 2, Fall: 2}},
	{"defaults", settings{Interval: 5 * time.Second, Fast: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3}},
}

// Loss has gslb, gdnsd and HAProxy check the same healthy targets at the same time, over a network
// that loses packets at random, and counts how often the verdict of each changes. Every change is
// wrong.
func Loss(ctx context.Context, report *figures.Report, dir string, args []string) error {
	var names int
	var length time.Duration
	var percents, binary, other string
	err := figures.Parse("loss", args, func(f *flag.FlagSet) {
		f.IntVar(&names, "names", 20, "names, each with two targets of its own; at most 50")
		f.DurationVar(&length, "time", 90*time.Second, "how long packets are lost")
		f.StringVar(&percents, "percent", "2,5,10,15,20", "percentages of packets that are lost each way")
		f.StringVar(&binary, "gslb", "", "path of the gslb binary; empty: bin/gslb")
		f.StringVar(&other, "other", "", "path of a second gslb binary to measure beside it")
	})
	if err != nil {
		return err
	}
	if names < 1 || names > 50 {
		return errors.New("-names must be from 1 to 50")
	}
	b, err := newBench(report, dir)
	if err != nil {
		return err
	}
	return errors.Join(b.loss(ctx, binary, other, names, length, strings.Split(percents, ",")), b.lab.Close())
}

func (b *bench) loss(ctx context.Context, binary, other string, names int, length time.Duration, percents []string) (err error) {
	l, err := b.newLossy(ctx, names)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.network.Close()) }()
	t := &figures.Table{}
	for _, s := range lossSettings {
		watchers, err := l.newWatchers(ctx, b, s.name, s.settings, binary, other)
		if err != nil {
			return err
		}
		if s == lossSettings[0] {
			head := []string{"settings", "lost each way"}
			for _, w := range watchers {
				head = append(head, w.name)
			}
			t.Row(head...)
		}
		for _, text := range percents {
			percent, err := strconv.Atoi(text)
			if err != nil || percent < 0 || percent > 100 {
				return fmt.Errorf("-percent: %q is no percentage", text)
			}
			changes, err := l.run(ctx, watchers, percent, length)
			if err != nil {
				return fmt.Errorf("%s settings, %d %% lost: %w", s.name, percent, err)
			}
			row := []string{s.name, fmt.Sprintf("%d %%", percent)}
			for _, n := range changes {
				row = append(row, strconv.Itoa(n))
			}
			t.Row(row...)
			b.Say("%s", strings.Join(row, ", "))
		}
	}
	what := fmt.Sprintf("Changes in %v, of %d names or servers whose targets are all healthy.", length, names)
	for _, s := range lossSettings {
		what += fmt.Sprintf(" %s: interval %v, fast_interval %v, timeout %v, fall %d, rise %d.", s.name, s.Interval, s.Fast, s.Timeout, s.Fall, s.Rise)
	}
	b.print(what, t)
	return nil
}

// lossy is two places whose packets are lost, and the names that are answered with them.
type lossy struct {
	network *parts.Network
	places  [2]*parts.Host
	names   []pair
}

// watcher is a program that checks the targets, on a host of its own.
type watcher struct {
	name  string
	crowd crowd
	*contender
	count func(ctx context.Context, w *watcher, length time.Duration) (int, error)
}

const lossPort = 8080 // of all targets

func (b *bench) newLossy(ctx context.Context, names int) (*lossy, error) {
	network, err := parts.NewNetwork(ctx, filepath.Join(b.dir, "hosts"))
	if err != nil {
		return nil, err
	}
	l := &lossy{network: network}
	fail := func(err error) (*lossy, error) { return nil, errors.Join(err, network.Close()) }
	for i, name := range []string{"nyc", "ams"} {
		host, err := network.AddHost(ctx, name)
		if err != nil {
			return fail(err)
		}
		l.places[i] = host
		everywhere, control := netip.AddrPortFrom(netip.IPv4Unspecified(), lossPort), netip.AddrPortFrom(host.IPv4, lossPort+1)
		if _, err := startRespond(ctx, host.Lab, names, everywhere, control); err != nil {
			return fail(err)
		}
	}
	for i := range names {
		primary, err1 := l.places[0].AddIPv4(ctx, 100+i)
		secondary, err2 := l.places[1].AddIPv4(ctx, 150+i)
		if err := errors.Join(err1, err2); err != nil {
			return fail(err)
		}
		l.names = append(l.names, pair{fmt.Sprintf("n%05d", i), primary, secondary})
	}
	return l, nil
}

// newWatchers makes the programs that check with these settings. They do not run yet.
func (l *lossy) newWatchers(ctx context.Context, b *bench, name string, s settings, binary, other string) ([]*watcher, error) {
	type program struct {
		name  string
		make  func(*bench, crowd) (*contender, error)
		count func(context.Context, *watcher, time.Duration) (int, error)
	}
	gslb := func(binary string) func(*bench, crowd) (*contender, error) {
		return func(b *bench, c crowd) (*contender, error) { return b.newGSLB(binary, c, new(*parts.GSLB)) }
	}
	programs := []program{{"gslb", gslb(binary), answers}}
	if other != "" {
		programs = append(programs, program{"gslb, other", gslb(other), answers})
	}
	programs = append(programs, program{"gdnsd", (*bench).newGdnsd, answers}, program{"HAProxy", (*bench).newHAProxy, servers})

	var watchers []*watcher
	for i, p := range programs {
		host, err := l.network.AddHost(ctx, fmt.Sprintf("%s-%d", name, i))
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(b.dir, "hosts", host.Name, "files")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		w := &watcher{name: p.name, count: p.count, crowd: crowd{
			settings: s, Port: lossPort, Dir: dir, Names: l.names,
			Listen: netip.AddrPortFrom(host.IPv4, 5300), Admin: netip.AddrPortFrom(host.IPv4, 8053),
		}}
		if w.contender, err = p.make(&bench{Report: b.Report, lab: host.Lab, dir: dir}, w.crowd); err != nil {
			return nil, err
		}
		watchers = append(watchers, w)
	}
	return watchers, nil
}

// run starts all watchers, loses packets, and returns how often the verdict of each changed.
func (l *lossy) run(ctx context.Context, watchers []*watcher, percent int, length time.Duration) (changes []int, err error) {
	for _, w := range watchers {
		if err := w.start(ctx); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, w.part.Stop(ctx)) }()
		// Changes during the start do not count.
		if err := parts.Until(ctx, w.name+" has found all targets healthy", func(ctx context.Context) error {
			n, err := w.count(ctx, w, 0)
			if err == nil && n != 0 {
				err = fmt.Errorf("%d are not", n)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	lose := func(percent int) error {
		return errors.Join(l.places[0].Lose(ctx, percent), l.places[1].Lose(ctx, percent))
	}
	if err := lose(percent); err != nil {
		return nil, err
	}
	changes = make([]int, len(watchers))
	errs := make([]error, len(watchers))
	var counting sync.WaitGroup
	for i, w := range watchers {
		counting.Go(func() { changes[i], errs[i] = w.count(ctx, w, length) })
	}
	counting.Wait()
	return changes, errors.Join(append(errs, lose(0))...)
}

// answers counts how often the answer for any name changes; a first one that is not the
// primary counts too.
func answers(ctx context.Context, w *watcher, length time.Duration) (int, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(w.crowd.Listen))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	last := make(map[string]netip.Addr)
	for _, n := range w.crowd.Names {
		last[n.Name] = n.Primary
	}
	changes := 0
	ticker := time.NewTicker(lossPoll)
	defer ticker.Stop()
	for end := time.Now().Add(length); ; {
		for _, n := range w.crowd.Names {
			query := new(dns.Msg).SetQuestion(n.Name+"."+zone+".", dns.TypeA)
			query.RecursionDesired = false
			reply, err := exchange(conn, query)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded) && length > 0:
				continue // the machine is busy; it is asked again soon
			case err != nil:
				return changes, fmt.Errorf("%s, asked for %s: %w", w.name, n.Name, err)
			}
			addrs := parts.Addresses(reply.Answer)
			if len(addrs) != 1 {
				return changes, fmt.Errorf("%s answers %s with %v", w.name, n.Name, addrs)
			}
			if addrs[0] != last[n.Name] {
				changes, last[n.Name] = changes+1, addrs[0]
			}
		}
		if !time.Now().Before(end) {
			return changes, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return changes, ctx.Err()
		}
	}
}

// servers counts how often the primary server of any name goes down or comes up in HAProxy. Each of
// these would change an answer if HAProxy were a name server.
func servers(ctx context.Context, w *watcher, length time.Duration) (int, error) {
	before, err := transitions(ctx, w.crowd.Listen)
	if err != nil || length == 0 {
		return 0, err
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := transitions(ctx, w.crowd.Listen)
	return after - before, err
}

func transitions(ctx context.Context, listen netip.AddrPort) (int, error) {
	_, page, err := parts.Get(ctx, "http://"+listen.String()+"/results;csv")
	if err != nil {
		return 0, err
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(page, []byte("# ")))).ReadAll()
	if err != nil {
		return 0, err
	}
	column := make(map[string]int)
	for i, name := range rows[0] {
		column[name] = i
	}
	count := 0
	for _, row := range rows[1:] {
		name := row[column["svname"]]
		if !strings.HasPrefix(name, "n") || !strings.HasSuffix(name, "a") {
			continue
		}
		downs, err := strconv.Atoi(row[column["chkdown"]])
		if err != nil {
			return 0, fmt.Errorf("HAProxy's table of results: chkdown of %s: %w", name, err)
		}
		if count += 2 * downs; strings.HasPrefix(row[column["status"]], "DOWN") {
			count-- // it has not come up again
		}
	}
	return count, nil
}
