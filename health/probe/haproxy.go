package probe

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gslb/health"
)

const (
	// maxStats bounds what is read of HAProxy's statistics: some thousands of servers take a megabyte.
	maxStats = 8 << 20

	// shownNames is how many names of servers or backends a detail has.
	shownNames = 8
)

// haproxyProbe asks HAProxy which servers of a backend are up: for its statistics page as CSV, or the Runtime
// API for the same text (HAProxy's management guide, sections 9.1 and 9.3, "show stat").
type haproxyProbe struct {
	spec    *health.HAProxy
	network *network
	runtime endpoint
}

func newHAProxy(n *network, spec *health.HAProxy) (health.Probe, error) {
	p := &haproxyProbe{spec: spec, network: n}
	if spec.Backend == "" {
		return nil, errors.New("backend: it is empty")
	}
	if spec.Page != nil {
		return newPage(n, spec.Page, p.judgePage)
	}
	var err error
	p.runtime, err = endpointOf(&spec.Link, spec.Address)
	return p.overRuntime, err
}

// judgePage judges the statistics page. One that is refused says nothing of the servers.
func (p *haproxyProbe) judgePage(ctx context.Context, resp *response) health.Result {
	switch resp.StatusCode {
	case http.StatusOK:
		return p.judge(ctx, resp)
	case http.StatusUnauthorized, http.StatusForbidden:
		return indeterminate("credentials", "status %d: the statistics page refuses this server; see auth of the check, and the rules of the page", resp.StatusCode)
	}
	return fail("status", "status %d, want 200", resp.StatusCode)
}

// overRuntime asks the Runtime API.
func (p *haproxyProbe) overRuntime(ctx context.Context) health.Result {
	conn, err := p.network.connect(ctx, p.runtime)
	if err != nil {
		return classify(ctx, err)
	}
	defer conn.close()
	const request = "show stat\n"
	trace, began := traceOf(ctx), time.Now()
	_, err = io.WriteString(conn, request)
	trace.sent([]byte(request), began, err)
	if err != nil {
		return classify(ctx, conn.fault(sending, err))
	}
	tap := trace.tap(conn)
	defer func() { tap.read(nil) }()
	return p.network.expiring(conn, &p.spec.TLS, p.judge(ctx, faulty{tap.reader(conn), conn}))
}

// faulty makes the errors of reading from a connection faults.
type faulty struct {
	io.Reader
	conn *connection
}

func (f faulty) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.conn.fault(reading, err)
	}
	return n, err
}

// judge judges the statistics:
//
//	the backend is   servers up            verdict
//	not there        –                     fail: it names those that are
//	down             whatever              fail
//	up               at least min_servers  pass
//	up               fewer                 fail
func (p *haproxyProbe) judge(ctx context.Context, r io.Reader) health.Result {
	stats, err := readStats(r, p.spec.Backend)
	var f *fault
	switch {
	case errors.As(err, &f):
		return classify(ctx, err)
	case err != nil:
		return fail("protocol", "%v", err)
	case stats.status == "":
		return fail("backend", "it has no backend %q; there are %s", p.spec.Backend, listed(stats.backends))
	}
	up, all := stats.servers()
	said := fmt.Sprintf("%d of %d servers of %s are up", up, all, p.spec.Backend)
	if len(stats.off) > 0 {
		said += " (" + listed(stats.off) + ")"
	}
	switch {
	case firstWord(stats.status) == "DOWN":
		return fail("servers", "backend %s is DOWN: %s", p.spec.Backend, said)
	case up < p.spec.MinServers:
		return fail("servers", "%s, want %d", said, p.spec.MinServers)
	}
	share := 0.0
	if all > 0 {
		share = 100 * float64(up) / float64(all)
	}
	return withLoad(pass(said), p.spec.Load, strconv.FormatFloat(share, 'f', -1, 64)+"%", nil)
}

// listed lists names, the first of many.
func listed(names []string) string {
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > shownNames:
		return strings.Join(names[:shownNames], ", ") + fmt.Sprintf(" and %d more", len(names)-shownNames)
	}
	return strings.Join(names, ", ")
}

// backendStats is what the statistics say of one backend.
type backendStats struct {
	backends []string // all there are
	status   string   // of the backend; empty: it is not there
	off      []string // servers that are not up, and what they are instead
	active   upOf
	backup   upOf
}

type upOf struct{ up, all int }

// servers is how many servers take requests, and of how many: HAProxy uses those for backup only when no other
// is left.
func (s *backendStats) servers() (up, all int) {
	if s.active.up == 0 && s.backup.up > 0 {
		return s.backup.up, s.active.all + s.backup.all
	}
	return s.active.up, s.active.all
}

// add counts a server. It takes requests in two states, unless its weight is 0. A slot of a server-template
// that has no address is no server yet.
func (s *backendStats) add(name, status, weight string, backup bool) {
	if strings.HasPrefix(status, "MAINT (resolution)") {
		return
	}
	of := &s.active
	if backup {
		of = &s.backup
	}
	of.all++
	switch takes := firstWord(status) == "UP" || status == "no check"; {
	case takes && weight != "0":
		of.up++
	case takes:
		s.off = append(s.off, name+" has weight 0")
	default:
		s.off = append(s.off, name+" "+status)
	}
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// The types of what the statistics have a line about.
const (
	statsBackend = "1"
	statsServer  = "2"
)

// readStats reads HAProxy's statistics in CSV: a line that names the columns, and one for each frontend,
// backend and server. Names are compared as they are: HAProxy's are case-sensitive.
func readStats(r io.Reader, backend string) (*backendStats, error) {
	limited := &io.LimitedReader{R: r, N: maxStats}
	buffered := bufio.NewReader(limited)
	head, err := buffered.Peek(len(statsHead))
	if string(head) != statsHead {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		begin, _ := buffered.Peek(shownBody)
		return nil, fmt.Errorf("this is not HAProxy's statistics in CSV: got %q", begin)
	}
	lines := csv.NewReader(buffered)
	lines.FieldsPerRecord = -1
	lines.LazyQuotes = true
	lines.ReuseRecord = true
	stats := new(backendStats)
	var at *columns
	for {
		line, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF) && limited.N <= 0:
			return nil, fmt.Errorf("the statistics are longer than %d bytes", maxStats)
		case errors.Is(err, io.EOF):
			return stats, nil
		case err != nil:
			return nil, err
		case at == nil:
			if at, err = columnsOf(line); err != nil {
				return nil, err
			}
		default:
			stats.take(line, at, backend)
		}
	}
}

// take takes in one line.
func (s *backendStats) take(line []string, at *columns, backend string) {
	field := func(i int) string {
		if 0 <= i && i < len(line) {
			return line[i]
		}
		return ""
	}
	kind, isOurs := field(at.kind), field(at.proxy) == backend
	if kind == statsBackend {
		s.backends = append(s.backends, field(at.proxy))
	}
	switch {
	case !isOurs:
	case kind == statsBackend:
		s.status = field(at.status)
	case kind == statsServer:
		s.add(field(at.server), field(at.status), field(at.weight), field(at.backup) == "1")
	}
}

// statsHead is how the line begins that names the columns.
const statsHead = "# pxname,"

// columns is where the columns are, which depends on HAProxy's version; -1: nowhere.
type columns struct{ proxy, server, status, kind, weight, backup int }

func columnsOf(line []string) (*columns, error) {
	line = slices.Clone(line)
	line[0] = strings.TrimPrefix(line[0], "# ")
	at := func(name string) int { return slices.Index(line, name) }
	for _, name := range []string{"pxname", "svname", "status", "type"} {
		if at(name) < 0 {
			return nil, fmt.Errorf("HAProxy's statistics have no column %q", name)
		}
	}
	return &columns{at("pxname"), at("svname"), at("status"), at("type"), at("weight"), at("bck")}, nil
}
