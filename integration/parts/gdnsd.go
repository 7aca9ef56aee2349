package parts

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// GdnsdMinInterval and GdnsdMinTimeout are the shortest that gdnsd 3.8 takes for a check:
// whole seconds, and an interval longer than its timeout.
const (
	GdnsdMinInterval = 2 * time.Second
	GdnsdMinTimeout  = 1 * time.Second
)

// Gdnsd is another authoritative server that answers by health, to compare with: one name
// that fails over from a primary address to a secondary one (its plugins simplefo and
// http_status).
type Gdnsd struct {
	*Part
	Listen netip.AddrPort
	dir    string // of its configuration
}

// GdnsdConfig says how to run a gdnsd.
type GdnsdConfig struct {
	Name   string // of the part
	Listen netip.AddrPort
	Zone   string // "gslb.example.com"
	Owner  string // the name in the zone, without it: "app"

	Primary, Secondary netip.Addr

	Port     uint16 // of the check
	Path     string
	Host     string // header
	Interval time.Duration
	Timeout  time.Duration
	Rise     int // consecutive passes that turn an address up
	Fall     int // fails that turn it down

	// Replaced says that other processes will take the place of the one that is started, see Replace.
	Replaced bool

	Dir string // of the part; filled in
}

// StartGdnsdIn starts a gdnsd with the configuration of a folder, and returns once it answers for a
// name.
func (l *Lab) StartGdnsdIn(ctx context.Context, name, dir string, listen netip.AddrPort, owner string) (*Gdnsd, error) {
	gdnsd, err := find("gdnsd")
	if err != nil {
		return nil, err
	}
	g := &Gdnsd{Listen: listen, dir: dir}
	g.Part, err = l.start(ctx, program{
		name:  name,
		path:  gdnsd,
		args:  []string{"-c", dir, "start"}, // in the foreground
		ready: answersWith(listen, owner, dns.TypeSOA),
	})
	return g, err
}

// States returns what the gdnsd's checks found, by address and service type: "192.0.2.1/www".
func (g *Gdnsd) States(ctx context.Context) (up map[string]bool, err error) {
	out, err := g.lab.Output(ctx, "gdnsdctl", "-c", g.dir, "states")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	if i := strings.Index(out, "{"); i > 0 {
		out = out[i:] // behind what it logs
	}
	var states map[string]struct {
		State string `json:"real_state"`
	}
	if err := json.Unmarshal([]byte(out), &states); err != nil {
		return nil, fmt.Errorf("%s: states: %w", g.Name(), err)
	}
	up = make(map[string]bool, len(states))
	for target, s := range states {
		up[target] = s.State == "UP"
	}
	return up, nil
}

// Replace has the gdnsd start another one in its place, which takes its sockets over, and returns once that serves.
func (g *Gdnsd) Replace(ctx context.Context) error {
	if out, err := Output(ctx, "gdnsdctl", "-c", g.dir, "replace"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// StartGdnsd starts a gdnsd and returns once it answers for its name.
func (l *Lab) StartGdnsd(ctx context.Context, config GdnsdConfig) (*Gdnsd, error) {
	gdnsd, err := find("gdnsd")
	if err != nil {
		return nil, err
	}
	config.Zone = strings.TrimSuffix(config.Zone, ".")
	config.Dir, err = l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	zones := filepath.Join(config.Dir, "zones")
	if err := os.MkdirAll(zones, 0o755); err != nil {
		return nil, err
	}
	if err := render(filepath.Join(config.Dir, "config"), "gdnsd.conf", config); err != nil {
		return nil, err
	}
	if err := render(filepath.Join(zones, config.Zone), "gdnsd.zone", config); err != nil {
		return nil, err
	}
	g := &Gdnsd{Listen: config.Listen, dir: config.Dir}
	p := program{
		name:  config.Name,
		path:  gdnsd,
		args:  []string{"-c", config.Dir, "start"}, // in the foreground
		ready: answersWith(config.Listen, config.Owner+"."+config.Zone, dns.TypeA),
	}
	if config.Replaced {
		p = p.replaced()
	}
	g.Part, err = l.start(ctx, p)
	return g, err
}
