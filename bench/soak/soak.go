package soak

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"gslb/bench/load"
	"gslb/integration/figures"
	"gslb/integration/parts"
)

// What is served. The names are steered to pools in pairs, of which few have a target that is up.
const (
	zone  = "gslb.example.com"
	pools = 48
	names = 1000
)

// The processor of the load. The server may use all.
const loadProcessor = 1

// sampleEvery is how often the server is looked at.
const sampleEvery = 5 * time.Second

// In a network of its own, both are free.
var (
	listen = netip.MustParseAddrPort("127.0.0.1:5300")
	admin  = netip.MustParseAddrPort("127.0.0.1:8053")
)

// soak is one run.
type soak struct {
	*figures.Report
	dir         string
	binary      string
	time        time.Duration
	warm        time.Duration // before which nothing counts
	rate        int           // queries per second
	reloadEvery time.Duration

	targets *targets
	server  *parts.GSLB
	samples []sample
	reloads int
}

// Run soaks a server, with files in dir, and fails if what it takes grows.
func Run(ctx context.Context, report *figures.Report, dir string, args []string) error {
	s := &soak{Report: report, dir: dir}
	err := figures.Parse("soak", args, func(f *flag.FlagSet) {
		f.DurationVar(&s.time, "time", 30*time.Minute, "how long the server runs")
		f.DurationVar(&s.warm, "warm", 2*time.Minute, "how long it runs before that, to find its size")
		f.IntVar(&s.rate, "rate", 5000, "queries per second")
		f.DurationVar(&s.reloadEvery, "reload", 10*time.Second, "how often the configuration changes")
		f.StringVar(&s.binary, "gslb", "", "path of the gslb binary; empty: bin/gslb")
	})
	if err != nil {
		return err
	}
	if s.time < rows*sampleEvery || s.rate < 1 || s.reloadEvery <= 0 {
		return fmt.Errorf("-time must be at least %v, -rate at least 1 and -reload positive", rows*sampleEvery)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	lab, err := parts.NewLab(dir)
	if err != nil {
		return err
	}
	answers, err := s.run(ctx, lab)
	if err := errors.Join(err, lab.Close()); err != nil {
		return err
	}
	return s.report(answers)
}

// run is the whole of it: it takes the samples, and returns what became of the queries.
func (s *soak) run(ctx context.Context, lab *parts.Lab) (answers *load.UDPReport, err error) {
	if s.targets, err = startTargets(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.targets.close()) }()
	if err := s.write(0); err != nil {
		return nil, err
	}
	s.server, err = lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Binary: s.binary, Zones: s.file(), Listen: listen, Admin: admin})
	if err != nil {
		return nil, err
	}
	queries, err := questions()
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.warm+s.time)
	defer cancel()
	group, bounded := errgroup.WithContext(bounded)
	group.Go(func() error { return garbage(bounded, listen) })
	group.Go(func() error { return linger(bounded, listen, queries[0]) })
	group.Go(func() error { return browse(bounded, "http://"+admin.String()) })
	group.Go(func() error { return s.reload(bounded) })
	group.Go(func() error { return s.look(bounded) })
	group.Go(func() (err error) {
		answers, err = load.UDP(bounded, load.UDPConfig{
			Server: listen, Queries: queries, Rate: s.rate, Time: s.warm + s.time, Processor: loadProcessor,
		})
		return err
	})
	return answers, errors.Join(group.Wait(), ctx.Err())
}

// questions are for the addresses of every name.
func questions() ([][]byte, error) {
	var packed [][]byte
	for i := range names {
		query := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.%s.", i, zone), dns.TypeA)
		query.RecursionDesired = false
		message, err := query.Pack()
		if err != nil {
			return nil, err
		}
		packed = append(packed, message)
	}
	return packed, nil
}

func (s *soak) file() string { return filepath.Join(s.dir, "zones.toml") }

//go:embed templates
var templates embed.FS

type pool struct {
	Number int
	Addr   netip.Addr
}

type name struct{ Number, First, Then int }

// wrongEvery says how many configurations there are to one that is refused.
const wrongEvery = 5

// write puts an edition of the configuration in place: each has other checks, another TTL and
// names with other pools than the one before. It reports nothing of a wrong one.
func (s *soak) write(edition int) error {
	data := struct {
		Listen, Admin  netip.AddrPort
		StateDir, Zone string
		Port           uint16
		Edition, TTL   int
		Pools          []pool
		Names          []name
		Wrong          bool
	}{
		Listen: listen, Admin: admin, StateDir: filepath.Join(s.dir, "state"), Zone: zone, Port: s.targets.port,
		Edition: edition % 3, TTL: 20 + edition%7, Wrong: edition%wrongEvery == wrongEvery-1,
	}
	for i := range pools {
		data.Pools = append(data.Pools, pool{i, targetAddr(i + 1)})
	}
	for i := range names {
		data.Names = append(data.Names, name{i, (i + edition) % pools, (i*7 + edition + 1) % pools})
	}
	for i := range data.Names {
		if n := &data.Names[i]; n.First == n.Then {
			n.Then = (n.Then + 1) % pools
		}
	}
	next := s.file() + ".new"
	if err := parts.Render(next, templates, "zones.toml", data); err != nil {
		return err
	}
	return os.Rename(next, s.file())
}

// reload changes the configuration again and again. Every other time the server is told;
// otherwise it finds out by itself.
func (s *soak) reload(ctx context.Context) error {
	return every(ctx, s.reloadEvery, func() error {
		s.reloads++
		if err := s.write(s.reloads); err != nil {
			return err
		}
		if s.reloads%2 == 0 {
			s.server.Signal(syscall.SIGHUP)
		}
		return nil
	})
}
