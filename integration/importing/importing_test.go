//go:build integration

// Package importing holds what "gslb import gdnsd" makes to gdnsd itself: both servers run beside each
// other on the same files and the same health, are asked the same questions, and must answer alike.
package importing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"gslb/geo/geotest"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) {
	os.Exit(parts.Isolated(func() int {
		// All of 127.0.0.0/8 is there by itself; of IPv6 there is ::1 only.
		for i := 1; i <= 9; i++ {
			add := exec.Command("ip", "address", "add", fmt.Sprintf("fd00::%d/128", i), "dev", "lo", "nodad")
			if out, err := add.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "%v: %v: %s\n", add, err, out)
				return 1
			}
		}
		return m.Run()
	}))
}

// ports are where the services listen, by service type.
var ports = map[string]uint16{"web": 8080, "tcp": 8025}

// A comparison is an archive in testdata: the folder of a gdnsd, with {{listen}} and {{dir}} where its
// address and the folder's path belong; geoip/NAME.table, a database as geotest.Parse reads it; and
//
//	questions  NAME TYPE [SUBNET], a line each, or draw NAME TYPE, whose answer is drawn at random
//	states     a line each: the services that are down, such as 127.0.1.1/web; * for all
type comparison struct {
	zone      string
	folder    string
	listen    netip.AddrPort // of gdnsd
	questions []question
	states    [][]string
	services  map[string]*service
}

type question struct {
	drawn  bool
	ttl    bool // matters
	name   string
	qtype  uint16
	subnet netip.Prefix
}

func (q question) String() string {
	s := q.name + " " + dns.TypeToString[q.qtype]
	if q.subnet.IsValid() {
		s += " for " + q.subnet.String()
	}
	return s
}

func TestAnswersAlike(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d cases: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel() // most of the time goes by between two probes; each case has addresses of its own
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			lab := parts.ForTest(t)
			c := unpack(t, lab, path)
			gdnsd, err := lab.StartGdnsdIn(ctx, "gdnsd", c.folder, c.listen, c.zone)
			must(t, err)
			gslb := c.startGSLB(t, ctx, lab)
			c.compare(t, ctx, gdnsd, gslb)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unpack writes the folder of a case, and starts the services that its checks want.
func unpack(t *testing.T, lab *parts.Lab, path string) *comparison {
	archive, err := txtar.ParseFile(path)
	must(t, err)
	c := &comparison{folder: t.TempDir(), services: make(map[string]*service)}
	c.listen, err = lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	must(t, err)
	replace := strings.NewReplacer("{{listen}}", c.listen.String(), "{{dir}}", c.folder)
	for _, f := range archive.Files {
		text := replace.Replace(string(f.Data))
		switch {
		case f.Name == "questions":
			c.readQuestions(t, text)
			continue
		case f.Name == "states":
			for line := range strings.Lines(text) {
				c.states = append(c.states, strings.Fields(line))
			}
			continue
		case strings.HasSuffix(f.Name, ".table"):
			f.Name = strings.TrimSuffix(f.Name, ".table")
			database, err := geotest.Parse("GeoLite2-City", text)
			must(t, err)
			text = string(database)
		case strings.HasPrefix(f.Name, "zones/"):
			c.zone = strings.TrimPrefix(f.Name, "zones/")
		}
		to := filepath.Join(c.folder, f.Name)
		must(t, os.MkdirAll(filepath.Dir(to), 0o755))
		must(t, os.WriteFile(to, []byte(text), 0o644))
	}
	for i := range c.questions {
		c.questions[i].name += "." + c.zone + "."
	}
	return c
}

func (c *comparison) readQuestions(t *testing.T, text string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		q := question{}
		if len(words) > 0 && words[0] == "draw" {
			q.drawn, words = true, words[1:]
		}
		if len(words) < 2 || dns.StringToType[words[1]] == 0 {
			t.Fatalf("%q is no question", line)
		}
		q.name, q.qtype = words[0], dns.StringToType[words[1]]
		if len(words) > 2 {
			q.subnet = netip.MustParsePrefix(words[2])
		}
		c.questions = append(c.questions, q)
	}
}

// startGSLB imports the folder and serves what comes of it.
func (c *comparison) startGSLB(t *testing.T, ctx context.Context, lab *parts.Lab) *parts.GSLB {
	root, err := parts.Root()
	must(t, err)
	zones := filepath.Join(c.folder, "zones.toml")
	notes, err := lab.Output(ctx, filepath.Join(root, "bin", "gslb"), "import", "gdnsd", c.folder, "-o", zones)
	if err != nil {
		t.Fatalf("%v\n%s", err, notes)
	}
	t.Logf("notes of the import:\n%s", notes)
	text, err := os.ReadFile(zones)
	must(t, err)
	config := parts.GSLBConfig{Name: "gslb", Zones: zones}
	loopback := netip.MustParseAddr("127.0.0.1")
	config.Listen, err = lab.FreePort(loopback)
	must(t, err)
	config.Admin, err = lab.FreePort(loopback)
	must(t, err)
	moved := strings.Replace(string(text), c.listen.String(), config.Listen.String(), 1)
	moved += fmt.Sprintf("\n[admin]\nlisten = %q\n", config.Admin)
	must(t, os.WriteFile(zones, []byte(moved), 0o644))
	g, err := lab.StartGSLB(ctx, config)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return g
}

// compare asks both servers all questions in each state.
func (c *comparison) compare(t *testing.T, ctx context.Context, gdnsd *parts.Gdnsd, gslb *parts.GSLB) {
	all, err := gdnsd.States(ctx)
	must(t, err)
	for target := range all {
		if addr, kind, ok := strings.Cut(target, "/"); ok && ports[kind] != 0 {
			s := &service{addr: netip.AddrPortFrom(netip.MustParseAddr(addr), ports[kind])}
			c.services[target] = s
			t.Cleanup(s.stop)
		}
	}
	seen := make(map[question]map[string]bool)
	for n, down := range append([][]string{nil}, c.states...) {
		for target, s := range c.services {
			if slices.Contains(down, target) || slices.Contains(down, "*") {
				s.stop()
			} else {
				must(t, s.start())
			}
		}
		for _, target := range down {
			if target != "*" && c.services[target] == nil {
				t.Fatalf("nothing checks %s", target)
			}
		}
		must(t, parts.Until(ctx, fmt.Sprintf("gdnsd has seen state %d", n), func(ctx context.Context) error {
			states, err := gdnsd.States(ctx)
			for target, s := range c.services {
				if err == nil && states[target] != s.running() {
					err = fmt.Errorf("%s is up: %v", target, states[target])
				}
			}
			return err
		}))
		for _, q := range c.questions {
			// A steered name's TTL depends on when it is asked, unless everything is well.
			exact := q
			exact.ttl = len(down) == 0
			answer := c.alike(t, ctx, gdnsd, gslb, exact, fmt.Sprintf("state %d, down: %v", n, down))
			if seen[q] == nil {
				seen[q] = make(map[string]bool)
			}
			seen[q][answer] = true
		}
	}
	for _, q := range c.questions {
		t.Logf("%s: %d different answers", q, len(seen[q]))
	}
}

const (
	draws   = 3000 // so often a question is asked whose answer is drawn
	settled = time.Minute
)

// alike waits until both servers answer a question alike, and returns the answer. gdnsd serves a new
// state up to a second after it has it, and each server probes in its own rhythm.
func (c *comparison) alike(t *testing.T, ctx context.Context, gdnsd *parts.Gdnsd, gslb *parts.GSLB, q question, state string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, settled)
	defer cancel()
	if q.drawn {
		return c.drawnAlike(t, ctx, gdnsd, gslb, q, state)
	}
	var want string
	err := parts.Until(ctx, "the answers are alike", func(ctx context.Context) (err error) {
		if want, err = ask(ctx, gdnsd.Listen, q); err != nil {
			return err
		}
		got, err := ask(ctx, gslb.Listen, q)
		if err == nil && got != want {
			err = fmt.Errorf("(-gdnsd +gslb)\n%s", cmp.Diff(want, got))
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %s: %v", state, q, err)
	}
	return want
}

// drawnAlike compares how often each answer comes.
func (c *comparison) drawnAlike(t *testing.T, ctx context.Context, gdnsd *parts.Gdnsd, gslb *parts.GSLB, q question, state string) string {
	t.Helper()
	var text string
	err := parts.Until(ctx, "the answers are drawn alike", func(ctx context.Context) error {
		want, err := draw(ctx, gdnsd.Listen, q)
		if err != nil {
			return err
		}
		got, err := draw(ctx, gslb.Listen, q)
		if err != nil {
			return err
		}
		text = ""
		for _, answer := range keys(want, got) {
			p := float64(want[answer]+got[answer]) / (2 * draws)
			sigma := math.Sqrt(2 * p * (1 - p) / draws)
			if diff := math.Abs(float64(want[answer]-got[answer])) / draws; diff > 5*sigma {
				err = errors.Join(err, fmt.Errorf("%q comes %d times of gdnsd and %d times of gslb, of %d", answer, want[answer], got[answer], draws))
			}
			text += answer + "\n"
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %s: %v", state, q, err)
	}
	return text
}

func keys(maps ...map[string]int) []string {
	var all []string
	for _, m := range maps {
		for key := range m {
			if !slices.Contains(all, key) {
				all = append(all, key)
			}
		}
	}
	slices.Sort(all)
	return all
}

func draw(ctx context.Context, server netip.AddrPort, q question) (map[string]int, error) {
	client, err := dns.DialTimeout("udp", server.String(), time.Second)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	count := make(map[string]int)
	for range draws {
		answer, err := askOver(ctx, client, q)
		if err != nil {
			return nil, err
		}
		count[answer]++
	}
	return count, nil
}

func ask(ctx context.Context, server netip.AddrPort, q question) (string, error) {
	client, err := dns.DialTimeout("udp", server.String(), time.Second)
	if err != nil {
		return "", err
	}
	defer client.Close()
	return askOver(ctx, client, q)
}

// askOver returns an answer in a form that can be compared: the response code, and the records of the
// answer section in order, or that there is an SOA record instead.
func askOver(ctx context.Context, conn *dns.Conn, q question) (string, error) {
	query := new(dns.Msg).SetQuestion(q.name, q.qtype)
	query.RecursionDesired = false
	if q.subnet.IsValid() {
		family := uint16(1)
		if q.subnet.Addr().Is6() {
			family = 2
		}
		query.SetEdns0(1232, false)
		query.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{
			Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(q.subnet.Bits()), Address: net.IP(q.subnet.Addr().AsSlice()),
		}}
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if err := conn.WriteMsg(query); err != nil {
		return "", err
	}
	reply, err := conn.ReadMsg()
	if err != nil {
		return "", err
	}
	var lines []string
	for _, rr := range reply.Answer {
		if !q.ttl {
			rr.Header().Ttl = 0
		}
		lines = append(lines, strings.ToLower(rr.String()))
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		for _, rr := range reply.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				soa.Hdr.Ttl = 0 // of gslb it is short where an address is steered
				lines = append(lines, strings.ToLower(soa.String()))
			}
		}
	}
	return dns.RcodeToString[reply.Rcode] + "\n" + strings.Join(lines, "\n"), nil
}

// service is a server that checks ask. It can be stopped and started.
type service struct {
	addr   netip.AddrPort
	server *http.Server
}

func (s *service) running() bool { return s.server != nil }

func (s *service) start() error {
	if s.running() {
		return nil
	}
	listener, err := net.Listen("tcp", s.addr.String())
	if err != nil {
		return err
	}
	s.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" || r.Host != "www.example.com" {
			http.Error(w, "not what is to be asked", http.StatusNotFound)
		}
	})}
	go s.server.Serve(listener)
	return nil
}

func (s *service) stop() {
	if s.running() {
		s.server.Close()
		s.server = nil
	}
}
