package page

import (
	"bufio"
	"context"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/miekg/dns"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

//go:embed templates
var templates embed.FS

// contender is a program with a page.
type contender struct {
	name  string
	relay *relay
	part  *parts.Part // nil: not started yet
	first func(context.Context) (*parts.Part, error)
	// down reports whether the pool that is watched is down, as the program itself takes it.
	down func(context.Context) (bool, error)
	// shows is an expression that says the same of the page.
	shows string

	beyond      bool // a browser cannot cope with a page of this size
	loads       []loading
	quiet, busy flows
	seen        figures.Times // from what down reports to what the page shows
}

// start starts the program, which must not be running.
func (c *contender) start(ctx context.Context) (err error) {
	if c.part != nil {
		return c.part.Start(ctx)
	}
	c.part, err = c.first(ctx)
	return err
}

// flows is what a page that stayed open received, window by window.
type flows struct{ requests, bytes figures.Sample } // a minute

// eachBytes is what one request brought.
func (f flows) eachBytes() float64 { return f.bytes.Median() / max(1, f.requests.Median()) }

// contenders are gslb and its peer, behind a relay each.
func contenders(lab *parts.Lab, w *world, binary string) ([]*contender, error) {
	zones, haproxy := filepath.Join(w.Dir, "zones.toml"), filepath.Join(w.Dir, "haproxy.cfg")
	err := errors.Join(
		parts.Render(zones, templates, "zones.toml", w),
		parts.Render(haproxy, templates, "haproxy.cfg", w),
	)
	if err != nil {
		return nil, err
	}
	ours := &contender{
		name:  "gslb",
		shows: `Array.from(document.querySelectorAll("[data-incident] h3"), (h) => h.textContent).some((text) => text.includes("` + watched + `"))`,
		first: func(ctx context.Context) (*parts.Part, error) {
			g, err := lab.StartGSLB(ctx, parts.GSLBConfig{Name: "gslb", Binary: binary, Zones: zones, Listen: w.Listen, Admin: w.Admin})
			if err != nil {
				return nil, err
			}
			return g.Part, nil
		},
		down: func(ctx context.Context) (bool, error) {
			reply, err := parts.Ask(ctx, w.Listen, watched+"."+zone, dns.TypeA)
			if err != nil {
				return false, err
			}
			return !slices.Contains(parts.Addresses(reply.Answer), w.Watched), nil
		},
	}
	peer := &contender{
		name:  "HAProxy",
		shows: `document.getElementsByName("` + watched + `/only")[0]?.closest("tr").className.includes("_down") ?? false`,
		first: func(ctx context.Context) (*parts.Part, error) {
			return lab.StartProgram(ctx, parts.Program{
				Name: "haproxy", Path: "haproxy", Args: []string{"-db", "-f", haproxy},
				Ready: func(ctx context.Context) error {
					status, _, err := parts.Get(ctx, "http://"+w.Admin.String()+"/;csv")
					if err == nil && status != http.StatusOK {
						err = fmt.Errorf("status %d", status)
					}
					return err
				},
			})
		},
		down: func(ctx context.Context) (bool, error) { return haproxyDown(ctx, filepath.Join(w.Dir, "haproxy.sock")) },
	}
	all := []*contender{ours, peer}
	for _, c := range all {
		if c.relay, err = newRelay(w.Admin); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// haproxyDown asks HAProxy, over its socket, for the server that is watched.
func haproxyDown(ctx context.Context, socket string) (bool, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "show stat %s 4 -1\n", watched); err != nil { // 4: servers
		return false, err
	}
	rows, err := csv.NewReader(bufio.NewReader(conn)).ReadAll()
	if err != nil {
		return false, err
	}
	if len(rows) != 2 {
		return false, fmt.Errorf("HAProxy tells of %d servers in %s, want one", len(rows)-1, watched)
	}
	at := slices.Index(rows[0], "status")
	if at < 0 {
		return false, errors.New("HAProxy's table has no column status")
	}
	return rows[1][at] == "DOWN", nil
}
