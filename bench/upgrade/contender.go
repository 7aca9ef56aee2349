package upgrade

import (
	"context"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

//go:embed templates
var templates embed.FS

const (
	zone  = "gslb.example.com"
	owner = "app"
)

// contender is a server, and how its process is replaced by another one.
type contender struct {
	name    string
	listen  netip.AddrPort
	udpOnly bool // it does not hold its sockets meanwhile, so that connections would be refused
	replace func(context.Context) error
	lingers bool // replace returns only when the connections of the process before have ended

	by map[string]*outcome // by kind of load
}

// outcome is what became of the queries of one kind of load, in all rounds.
type outcome struct {
	upgrades               int
	sent, answered, failed int // failed: connections
	slowest                time.Duration
	took                   figures.Times // each upgrade
}

// contenders starts gslb, a gdnsd with the same name, and, to show that the loads do lose something, a Knot that is
// stopped and started.
func (b *bench) contenders(ctx context.Context, lab *parts.Lab) ([]*contender, error) {
	checks, err := lab.FreePort(netip.IPv4Unspecified())
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", checks.String())
	if err != nil {
		return nil, err
	}
	healthy := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Second}
	go healthy.Serve(listener)
	context.AfterFunc(ctx, func() { _ = healthy.Close() })

	var listen [4]netip.AddrPort
	for i := range listen {
		if listen[i], err = lab.FreePort(netip.MustParseAddr("127.0.0.1")); err != nil {
			return nil, err
		}
	}
	zones, records := filepath.Join(b.dir, "zones.toml"), filepath.Join(b.dir, "zone.db")
	err = parts.Render(zones, templates, "zones.toml", struct {
		Listen, Admin netip.AddrPort
		Dir           string
		Port          uint16
	}{listen[0], listen[1], b.dir, checks.Port()})
	if err != nil {
		return nil, err
	}
	if err := parts.Render(records, templates, "zone.db", nil); err != nil {
		return nil, err
	}

	gslb, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Binary: b.binary, Zones: zones, Listen: listen[0], Admin: listen[1], Replaced: true})
	if err != nil {
		return nil, err
	}
	gdnsd, err := lab.StartGdnsd(ctx, parts.GdnsdConfig{
		Name: "gdnsd", Listen: listen[2], Zone: zone, Owner: owner,
		Primary: netip.MustParseAddr("127.0.0.11"), Secondary: netip.MustParseAddr("127.0.0.12"),
		Port: checks.Port(), Path: "/health", Host: "app.example.com",
		Interval: parts.GdnsdMinInterval, Timeout: parts.GdnsdMinTimeout, Rise: 1, Fall: 2, Replaced: true,
	})
	if err != nil {
		return nil, err
	}
	knot, err := lab.StartKnot(ctx, parts.KnotConfig{Name: "knot", Listen: listen[3], Zones: map[string]string{zone: records}})
	if err != nil {
		return nil, err
	}
	return []*contender{
		{name: "gslb", listen: gslb.Listen, replace: func(ctx context.Context) error {
			out, err := parts.Output(ctx, b.binary, "upgrade", zones)
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}},
		{name: "gdnsd, replaced", listen: gdnsd.Listen, replace: gdnsd.Replace, lingers: true},
		{name: "Knot, restarted", listen: knot.Listen, replace: knot.Restart, udpOnly: true},
	}, nil
}
