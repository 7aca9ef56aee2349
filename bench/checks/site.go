package checks

import (
	"context"
	"embed"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"gslb/integration/parts"
)

// What clients ask for, and which regions' load balancers it may be answered with.
const (
	zone    = "gslb.example.com"
	owner   = "app"
	steered = owner + "." + zone
)

// In a network of its own, all these are free.
var (
	listenGSLB  = netip.MustParseAddrPort("127.0.0.1:5300")
	adminGSLB   = netip.MustParseAddrPort("127.0.0.1:8053")
	listenGdnsd = netip.MustParseAddrPort("127.0.0.1:5301")
)

const (
	webPort = 8080
	webHost = "app.example.com"
)

// site is two regions and the servers that choose between them, gslb and gdnsd.
type site struct {
	Primary, Secondary *parts.Region

	gslb  *parts.GSLB
	gdnsd *parts.Gdnsd
}

// gslbSettings are the worked example's, but for rise: how fast a region comes back is not
// measured.
func gslbSettings(fall int) settings {
	return settings{Interval: 2 * time.Second, Fast: 500 * time.Millisecond, Timeout: time.Second, Rise: 1, Fall: fall}
}

// gdnsdSettings are the shortest that gdnsd takes, with the same thresholds.
func gdnsdSettings(fall int) settings {
	return settings{Interval: parts.GdnsdMinInterval, Fast: parts.GdnsdMinInterval, Timeout: parts.GdnsdMinTimeout, Rise: 1, Fall: fall}
}

// startSite starts all of it.
func (b *bench) startSite(ctx context.Context, binary string, fall int) (*site, error) {
	b.Say("bringing up two regions")
	region := func(name, aws, addr string) parts.RegionConfig {
		return parts.RegionConfig{
			Name: name, AWSRegion: aws, Listen: netip.AddrPortFrom(netip.MustParseAddr(addr), webPort),
			Table: "YourAppTable", Key: map[string]string{"id": "123"},
		}
	}
	regions, err := b.lab.StartRegions(ctx, region("nyc", "us-east-1", "127.0.0.11"), region("ams", "eu-west-1", "127.0.0.12"))
	if err != nil {
		return nil, err
	}
	s := &site{Primary: regions[0], Secondary: regions[1]}
	file, err := b.render("site.toml", struct {
		*site
		settings
		StateDir      string
		Listen, Admin netip.AddrPort
		Host          string
	}{s, gslbSettings(fall), b.stateDir(), listenGSLB, adminGSLB, webHost})
	if err != nil {
		return nil, err
	}
	s.gslb, err = b.startGSLB(ctx, binary, file, listenGSLB, adminGSLB)
	if err != nil {
		return nil, err
	}
	other := gdnsdSettings(fall)
	s.gdnsd, err = b.lab.StartGdnsd(ctx, parts.GdnsdConfig{
		Name: "gdnsd", Listen: listenGdnsd, Zone: zone, Owner: owner,
		Primary: s.primary(), Secondary: s.secondary(),
		Port: webPort, Path: "/health", Host: webHost,
		Interval: other.Interval, Timeout: other.Timeout, Rise: other.Rise, Fall: other.Fall,
	})
	return s, err
}

func (b *bench) startGSLB(ctx context.Context, binary, zones string, listen, admin netip.AddrPort) (*parts.GSLB, error) {
	return b.lab.StartGSLB(ctx, parts.GSLBConfig{
		Name: "gslb", Binary: binary, Zones: zones, Listen: listen, Admin: admin, Env: parts.Credentials(),
	})
}

func (b *bench) stateDir() string { return filepath.Join(b.dir, "state") }

func (s *site) primary() netip.Addr   { return s.Primary.LoadBalancer.Listen.Addr() }
func (s *site) secondary() netip.Addr { return s.Secondary.LoadBalancer.Listen.Addr() }

// DynamoDB is a region's endpoint without its scheme, for the template.
func (s *site) DynamoDB(r *parts.Region) string {
	return strings.TrimPrefix(r.DynamoDB.Endpoint, "http://")
}

//go:embed templates
var templates embed.FS

// render writes a configuration file from the template of that name and returns its path.
func (b *bench) render(name string, data any) (string, error) {
	file := filepath.Join(b.dir, name)
	return file, parts.Render(file, templates, name, data)
}
