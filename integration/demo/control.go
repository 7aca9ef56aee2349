package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/integration/parts"
)

// faultyRegion is what the demonstration can do to a region.
type faultyRegion interface {
	Inflict(context.Context, parts.Fault) error
	Heal(context.Context) error
}

// control takes the requests of make fail and make heal, over a local socket: POST to
// /fail or /heal, with region and fault as parameters. One is carried out at a time. Then a
// POST to /fail/done or /heal/done ends when clients are told of it.
type control struct {
	regions map[string]faultyRegion
	look    func(context.Context) (view, error)
	say     func(format string, args ...any)
	server  *http.Server
	served  chan struct{}

	mu sync.Mutex // held while a request is carried out
}

func startControl(path string, regions map[string]faultyRegion, look func(context.Context) (view, error), say func(string, ...any)) (*control, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	c := &control{regions: regions, look: look, say: say, served: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fail", c.handle("failing", func(ctx context.Context, r faultyRegion, fault parts.Fault) error {
		return r.Inflict(ctx, fault)
	}))
	mux.HandleFunc("POST /heal", c.handle("healing", func(ctx context.Context, r faultyRegion, _ parts.Fault) error {
		return r.Heal(ctx)
	}))
	mux.HandleFunc("POST /fail/done", c.await(view.failed, view.stillFailing))
	mux.HandleFunc("POST /heal/done", c.await(view.healed, view.stillHealing))
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	go func() {
		defer close(c.served)
		_ = c.server.Serve(listener) // until close
	}()
	return c, nil
}

// close ends the service and what it carries out, and removes the socket.
func (c *control) close() {
	_ = c.server.Close()
	<-c.served
	c.mu.Lock() // a request that was under way has seen its context end
	defer c.mu.Unlock()
}

func (c *control) handle(doing string, do func(context.Context, faultyRegion, parts.Fault) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		name, fault := r.FormValue("region"), parts.Fault(r.FormValue("fault"))
		region := c.region(w, name)
		if region == nil {
			return
		}
		what := strings.TrimSpace(fmt.Sprintf("%s %s %s", doing, name, fault))
		c.say("%s", what)
		begun := time.Now()
		if err := do(r.Context(), region, fault); err != nil {
			c.say("%s: %v", what, err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s: done, after %s\n", what, seconds(time.Since(begun)))
	}
}

// region is the one that a request names; nil: there is none, and the client is told.
func (c *control) region(w http.ResponseWriter, name string) faultyRegion {
	region := c.regions[name]
	if region == nil {
		known := strings.Join(slices.Sorted(maps.Keys(c.regions)), ", ")
		http.Error(w, fmt.Sprintf("region %q is not one of %s", name, known), http.StatusNotFound)
	}
	return region
}

// awaitLongest is how long a request may wait. The example's failback_after is shorter.
const awaitLongest = 45 * time.Second

// await answers when nothing is missing, with what is answered then and how long it took; or
// else with what is missing still.
func (c *control) await(done, missing func(view, string, parts.Fault) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, fault := r.FormValue("region"), parts.Fault(r.FormValue("fault"))
		if c.region(w, name) == nil {
			return
		}
		begun := time.Now()
		ctx, cancel := context.WithTimeout(r.Context(), awaitLongest)
		defer cancel()
		var v view
		err := parts.Until(ctx, fmt.Sprintf("%s %s", name, done(v, name, fault)), func(ctx context.Context) (err error) {
			if v, err = c.look(ctx); err != nil {
				return err
			}
			if left := missing(v, name, fault); left != "" {
				return errors.New(left)
			}
			return nil
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
			return
		}
		fmt.Fprintf(w, "%s %s, after another %s:\n", name, done(v, name, fault), seconds(time.Since(begun)))
		for _, line := range v.answered(plain) {
			fmt.Fprintln(w, "  "+line)
		}
	}
}

// controlClient makes a client of the demonstration that runs in this checkout.
func controlClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socketFile)
		},
	}}
}

// carryOut has the demonstration do something, and waits until clients are told of it.
func carryOut(ctx context.Context, out io.Writer, path, region, fault string) error {
	if err := request(ctx, out, path, region, fault); err != nil {
		return err
	}
	return request(ctx, out, path+"/done", region, fault)
}

// request asks the demonstration to do something and prints what it says.
func request(ctx context.Context, out io.Writer, path, region, fault string) error {
	parameters := url.Values{"region": {region}, "fault": {fault}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://demo"+path+"?"+parameters, nil)
	if err != nil {
		return err
	}
	response, err := controlClient().Do(r)
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return errors.New("no demonstration is running; start one with make run")
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	_, err = out.Write(text)
	return err
}

// running says whether a demonstration answers in this checkout.
func running(ctx context.Context) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketFile)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
