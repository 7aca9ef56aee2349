package checks

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// contender is a program that checks all targets.
type contender struct {
	name  string
	part  *parts.Part // nil: not started yet
	first func(context.Context) (*parts.Part, error)

	rate     figures.Sample // of checks, per second
	cpu      figures.Sample // seconds a check
	resident figures.Sample // bytes
}

// start starts the program, which must not be running.
func (c *contender) start(ctx context.Context) (err error) {
	if c.part != nil {
		return c.part.Start(ctx)
	}
	c.part, err = c.first(ctx)
	return err
}

// settings are those of a server's checks.
type settings struct {
	Interval time.Duration
	Fast     time.Duration // interval of a target that is on its way; Interval where there is no such thing
	Timeout  time.Duration
	Rise     int
	Fall     int
}

// bound is how long after a fault a target is seen to be down at the latest, where a probe
// fails after the time failing: a probe that came just before the fault passed; the next
// one comes an interval later; each further one that is needed follows when it is due and
// the one before has ended; and the last has to fail.
func (s settings) bound(failing time.Duration) time.Duration {
	return s.Interval + time.Duration(s.Fall-1)*max(s.Fast, failing) + failing
}

// crowd is what the templates of scale are filled in with: settings that all contenders
// understand, and names that each fail over from one target to another.
type crowd struct {
	settings
	Port          uint16
	Dir           string         // of what the programs keep
	Listen, Admin netip.AddrPort // Admin is gslb's alone
	Names         []pair
}

type pair struct {
	Name               string
	Primary, Secondary netip.Addr
}

func (b *bench) newCrowd(t *targets) crowd {
	c := crowd{
		settings: settings{Interval: 5 * time.Second, Fast: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3},
		Port:     t.port, Dir: b.dir, Listen: listenGSLB, Admin: adminGSLB,
	}
	for i := 0; i+1 < t.count; i += 2 {
		c.Names = append(c.Names, pair{fmt.Sprintf("n%05d", i/2), targetAddr(i), targetAddr(i + 1)})
	}
	return c
}

// newGSLB configures gslb; the pointer is filled in by its start.
func (b *bench) newGSLB(binary string, crowd crowd, started **parts.GSLB) (*contender, error) {
	file, err := b.render("scale.toml", crowd)
	return &contender{name: "gslb", first: func(ctx context.Context) (*parts.Part, error) {
		g, err := b.startGSLB(ctx, binary, file, crowd.Listen, crowd.Admin)
		if err != nil {
			return nil, err
		}
		*started = g
		return g.Part, nil
	}}, err
}

// newHAProxy configures HAProxy with all targets as the servers of one backend.
func (b *bench) newHAProxy(crowd crowd) (*contender, error) {
	file, err := b.render("scale.haproxy", crowd)
	return &contender{name: "HAProxy", first: func(ctx context.Context) (*parts.Part, error) {
		return b.lab.StartProgram(ctx, parts.Program{
			Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", file},
			Ready: func(ctx context.Context) error {
				status, _, err := parts.Get(ctx, "http://"+crowd.Listen.String()+"/alive")
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("status %d", status)
				}
				return err
			},
		})
	}}, err
}

// newGdnsd configures gdnsd with the names that gslb has.
func (b *bench) newGdnsd(crowd crowd) (*contender, error) {
	config, err := b.render("scale.gdnsd", crowd)
	if err != nil {
		return nil, err
	}
	records, err := b.render("scale.zone", crowd)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "gdnsd")
	if err := os.MkdirAll(filepath.Join(dir, "zones"), 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(config, filepath.Join(dir, "config")); err != nil {
		return nil, err
	}
	if err := os.Rename(records, filepath.Join(dir, "zones", zone)); err != nil {
		return nil, err
	}
	return &contender{name: "gdnsd", first: func(ctx context.Context) (*parts.Part, error) {
		return b.lab.StartProgram(ctx, parts.Program{
			Name: "gdnsd", Path: "gdnsd", Args: []string{"-c", dir, "start"},
			Ready: func(ctx context.Context) error {
				_, err := parts.Ask(ctx, crowd.Listen, zone, dns.TypeSOA)
				return err
			},
		})
	}}, nil
}
