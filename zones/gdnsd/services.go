package gdnsd

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// service is a service type: how something is monitored.
type service struct {
	place
	name   string
	check  *check // nil: nothing is probed
	static status // what it is without being probed
	why    string // it is not carried over; empty: it is, or need not be
	told   bool   // that it is not
	stable uint32 // seconds that pass at least before a target that is up turns down; 0: it never does
}

// status is what is known of a service without probing it.
type status uint8

const (
	alwaysUp status = iota
	alwaysDown
)

// check is a check of zones.toml.
type check struct {
	place
	name     string
	service  string
	kind     string // http or tcp
	port     int
	path     string // of http, with what it asks for
	host     string // of http
	status   []int  // of http, that pass
	interval int    // seconds
	timeout  int
	rise     int
	fall     int
	remarks
	// single says that it is made for one address of the pool, which stands in a var of this name.
	single string
}

// serviceTypes are all that the configuration defines, beside the two that are built in.
func (im *importer) serviceTypes(v *value) {
	im.services = map[string]*service{
		"up":   {name: "up"},
		"down": {name: "down", static: alwaysDown},
	}
	if v == nil {
		return
	}
	if v.form != table {
		im.loosely(v.place, "service_types is %s, and is not carried over; expected a table", v.form)
		return
	}
	for i, name := range v.keys {
		s, err := im.serviceType(name, v.items[i])
		if err != nil {
			s = &service{place: v.items[i].place, name: name, why: reasonOf(err)}
		}
		im.services[name] = s
	}
}

// reasonOf is what is wrong, without the place.
func reasonOf(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.text
	}
	return err.Error()
}

// The limits and defaults of gdnsd 3.8.
const (
	defaultRise     = 20
	defaultFall     = 10
	defaultOK       = 10
	defaultInterval = 10
	mostThreshold   = 65535
	mostInterval    = 3600
	mostTimeout     = 300
	defaultPort     = 80
	mostPort        = 65535
	defaultSuccess  = 200
)

// mostCount is the largest rise and fall of zones.toml.
const mostCount = 100

func (im *importer) serviceType(name string, v *value) (*service, error) {
	s := &service{place: v.place, name: name}
	if v.form != table {
		return nil, v.fault("it is %s; expected a table", v.form)
	}
	r := &reader{table: v, known: map[string]bool{"plugin": true}}
	plugin := ""
	if p := v.get("plugin"); p == nil {
		return nil, v.fault("it has no plugin")
	} else if p.form == simple {
		plugin = p.text
	}
	interval := r.int("interval", defaultInterval, 2, mostInterval)
	c := &check{
		place: v.place, service: name, interval: interval,
		timeout: r.int("timeout", interval/2, 1, mostTimeout),
		rise:    r.int("up_thresh", defaultRise, 1, mostThreshold),
		fall:    r.int("down_thresh", defaultFall, 1, mostThreshold),
	}
	ok := r.int("ok_thresh", defaultOK, 1, mostThreshold)
	s.stable = uint32(interval * c.fall)
	switch plugin {
	case "http_status":
		c.kind = "http"
		c.port = r.int("port", defaultPort, 1, mostPort)
		c.path = r.string("url_path", "/")
		c.host = r.string("vhost", "")
		c.status = r.ints("ok_codes", []int{defaultSuccess}, 100, 999)
		s.check = c
	case "tcp_connect":
		c.kind = "tcp"
		c.port = r.int("port", 0, 1, mostPort)
		if r.err == nil && c.port == 0 {
			return nil, v.fault("it has no port")
		}
		s.check = c
	case "static":
		if r.string("state", "up"); strings.EqualFold(r.string("state", "up"), "down") {
			s.static = alwaysDown
		}
		r.known["ttl"] = true
		s.stable = 0
	case "null":
		s.static = alwaysDown
	default:
		s.why = fmt.Sprintf("gslb has no plugin %s", plugin)
		r.all()
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if s.check != nil && c.timeout >= c.interval {
		return nil, v.fault("the timeout is not less than the interval")
	}
	if s.check != nil {
		im.limitCheck(c, ok)
	}
	return s, nil
}

// limitCheck fits a check into what gslb has, and remarks on what is lost.
func (im *importer) limitCheck(c *check, ok int) {
	for _, n := range []struct {
		name, key string
		value     *int
	}{{"up_thresh", "rise", &c.rise}, {"down_thresh", "fall", &c.fall}} {
		if *n.value > mostCount {
			c.lose("%s is %d, and the largest %s is %d", n.name, *n.value, n.key, mostCount)
			*n.value = mostCount
		}
	}
	if ok > 1 && c.fall > 1 {
		c.lose("ok_thresh is %d: gdnsd forgets fails after so many passes in a row, gslb after one", ok)
	}
	var statuses []int
	for _, code := range c.status {
		if code > 599 {
			c.lose("status %d is none of HTTP, and left out", code)
			continue
		}
		statuses = append(statuses, code)
	}
	c.status = statuses
	if c.kind == "http" {
		if len(c.status) == 0 {
			c.lose("no status is left that passes, so that 200-299 do")
		}
		if !strings.HasPrefix(c.path, "/") {
			c.lose("url_path %q has no slash at its beginning; one is added", c.path)
			c.path = "/" + c.path
		}
		if strings.ContainsAny(c.path, " \t\r\n#{}\"") || !isPrintable(c.path) {
			c.lose("url_path %q holds what no URL does, and is escaped", c.path)
			c.path = escapePath(c.path)
		}
	}
}

func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// escapePath escapes what cannot stand in a URL, or would be read as a placeholder.
func escapePath(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if c <= ' ' || c > '~' || strings.IndexByte(`#{}"`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// monitoring is how the addresses of a resource are monitored by all its service types together.
type monitoring struct {
	checks  []*check
	down    string // a service type that is always down; empty: there is none
	stable  uint32 // as of a service, the shortest; 0: nothing ever changes
	unknown string // a service type that is not carried over; empty: there is none
}

// monitor returns how something with a list of service types is monitored; nil: with the one that is
// always up.
func (im *importer) monitor(v *value) (m monitoring, err error) {
	if v == nil {
		return m, nil
	}
	names, err := v.strings("service_types")
	if err != nil {
		return m, err
	}
	seen := make(map[string]bool)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		s := im.services[name]
		switch {
		case s == nil:
			return m, v.fault("there is no service type %q", name)
		case s.why != "":
			if !s.told {
				im.note(s.place, "service type %s is not carried over: %s; what only it monitors counts as up", name, s.why)
				s.told = true
			}
			m.unknown = name
			continue
		case s.static == alwaysDown:
			m.down = name
		case s.check != nil:
			m.checks = append(m.checks, s.check)
		}
		if s.stable > 0 && (m.stable == 0 || s.stable < m.stable) {
			m.stable = s.stable
		}
	}
	if m.down != "" {
		m.checks = nil
	}
	return m, nil
}

// same reports whether two things are monitored alike.
func (m monitoring) same(other monitoring) bool {
	if len(m.checks) != len(other.checks) || (m.down == "") != (other.down == "") {
		return false
	}
	for i := range m.checks {
		if m.checks[i] != other.checks[i] {
			return false
		}
	}
	return true
}

// reader reads the keys of a table and keeps the first error.
type reader struct {
	table *value
	known map[string]bool
	err   error
}

func (r *reader) get(key string) *value {
	r.known[key] = true
	return r.table.get(key)
}

func (r *reader) int(key string, fallback, low, high int) int {
	v := r.get(key)
	if v == nil || r.err != nil {
		return fallback
	}
	var n int
	n, r.err = v.int(key, low, high)
	return n
}

func (r *reader) ints(key string, fallback []int, low, high int) []int {
	v := r.get(key)
	if v == nil || r.err != nil {
		return fallback
	}
	var all []int
	for _, item := range v.elements() {
		n, err := item.int("an item of "+key, low, high)
		if err != nil {
			r.err = err
		}
		all = append(all, n)
	}
	return all
}

func (r *reader) string(key, fallback string) string {
	v := r.get(key)
	if v == nil || r.err != nil {
		return fallback
	}
	var s string
	s, r.err = v.string(key)
	return s
}

// all marks every key as known.
func (r *reader) all() {
	for _, key := range r.table.keys {
		r.known[key] = true
	}
}

// finish returns the first error, or one about a key that nothing has read.
func (r *reader) finish() error {
	for i, key := range r.table.keys {
		if r.err == nil && !r.known[key] {
			r.err = r.table.items[i].fault("there is no option %q", key)
		}
	}
	return r.err
}

// familyOf is that of an address.
func familyOf(addr netip.Addr) string {
	if addr.Is4() {
		return "ipv4"
	}
	return "ipv6"
}
