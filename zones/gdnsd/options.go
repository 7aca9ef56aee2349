package gdnsd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// server is the [server] table of zones.toml.
type server struct {
	listen      []string
	id          string
	version     string
	noCookies   bool
	noSubnets   bool
	idle        int // seconds; 0: the default
	connections int // 0: the default
	databases   []string
	remarks
	limits   ttlLimits
	stateDir string
}

// What gdnsd does where its options say nothing.
const (
	defaultTTL         = 86400
	defaultMinTTL      = 5
	defaultMaxTTL      = 3600000
	defaultNegativeTTL = 10800
	defaultDNSPort     = 53
	defaultTCPThreads  = 2
	defaultResponse    = 1232
	defaultStateDir    = "/var/lib/gdnsd"
	mostTTL            = 1<<31 - 1
	mostConnections    = 1_000_000 // of zones.toml
)

// tuning are options that tune gdnsd, and change nothing that a client could see.
var tuning = []string{
	"tcp_threads", "udp_threads", "zones_rfc1035_threads", "lock_mem", "run_dir", "tcp_backlog", "udp_rcvbuf",
	"udp_sndbuf", "tcp_fastopen", "zones_strict_data", "disable_text_autosplit",
}

// unknown are options that gslb has nothing like, with the reason.
var unknown = map[string]string{
	"disable_tcp_dso":       "gslb has no DNS stateful operations",
	"acme_challenge_ttl":    "gslb takes no challenges at run time",
	"experimental_no_chain": "gslb follows CNAMEs within the zones that it serves",
	"tcp_control":           "gslb is not controlled over DNS ports; see [admin] for its page and API",
	"cookie_key_file":       `its format is another: make new secrets, and name their file with cookie_secrets`,
	"max_nocookie_response": "see [server.rate_limit], which makes clients without cookies come back over TCP",
}

// readOptions reads the options.
func (im *importer) readOptions(v *value) {
	s := &im.server
	s.limits = ttlLimits{
		fallback: defaultTTL, low: defaultMinTTL, high: defaultMaxTTL, negative: defaultNegativeTTL,
	}
	s.stateDir = defaultStateDir
	if v == nil {
		v = newTable(place{configName, 1})
	}
	if v.form != table {
		im.loosely(v.place, "options is %s, and is not carried over; expected a table", v.form)
		v = newTable(v.place)
	}
	o := &optionReader{importer: im, table: v, port: defaultDNSPort}
	o.uint("zones_default_ttl", &s.limits.fallback, 1, mostTTL)
	o.uint("min_ttl", &s.limits.low, 0, defaultTTL)
	o.uint("max_ttl", &s.limits.high, 3600, 1<<28-1)
	o.uint("max_ncache_ttl", &s.limits.negative, 10, defaultTTL)
	o.uint("acme_challenge_dns_ttl", &s.limits.acmeChallenges, 0, 3600)
	o.int("dns_port", &o.port, 1, mostPort)
	o.string("state_dir", &s.stateDir)
	o.identity()
	o.tcp()
	o.switches()
	var tuned []string
	for i, key := range v.keys {
		at := v.items[i]
		switch {
		case key == "listen":
			o.listen(at)
		case slices.Contains(tuning, key):
			tuned = append(tuned, key)
		case key == "max_edns_response" || key == "max_edns_response_v6":
			if at.text != strconv.Itoa(defaultResponse) {
				o.lost(at, "%s is not carried over: gslb sends at most %d bytes over UDP", key, defaultResponse)
			}
		case unknown[key] != "":
			o.lost(at, "%s is not carried over: %s", key, unknown[key])
		case !o.seen(key):
			o.lost(at, "there is no option %q", key)
		}
	}
	if len(tuned) > 0 {
		o.lost(v, "what tunes gdnsd alone is left out: %s", strings.Join(tuned, ", "))
	}
	if v.get("listen") == nil {
		s.listen = anyAddress(o.port)
	}
}

// optionReader reads options one by one. One that is wrong is noted, and its default taken.
type optionReader struct {
	*importer
	table *value
	port  int
	known []string
}

func (o *optionReader) seen(key string) bool { return slices.Contains(o.known, key) }

func (o *optionReader) get(key string) *value {
	o.known = append(o.known, key)
	return o.table.get(key)
}

// lost notes an option that is not carried over, and remarks on it in the file.
func (o *optionReader) lost(v *value, format string, args ...any) {
	o.server.lose("%s", o.note(v.place, format, args...))
}

// wrong is lost for an option that has an error.
func (o *optionReader) wrong(err error) {
	var f *fault
	if errors.As(err, &f) {
		o.lost(&value{place: f.place}, "%s", f.text)
	}
}

func (o *optionReader) int(key string, into *int, low, high int) {
	if v := o.get(key); v != nil {
		n, err := v.int(key, low, high)
		if err != nil {
			o.wrong(err)
			return
		}
		*into = n
	}
}

func (o *optionReader) uint(key string, into *uint32, low, high int) {
	n := int(*into)
	o.int(key, &n, low, high)
	*into = uint32(n)
}

func (o *optionReader) string(key string, into *string) {
	if v := o.get(key); v != nil {
		text, err := v.string(key)
		if err != nil {
			o.wrong(err)
			return
		}
		*into = text
	}
}

func (o *optionReader) bool(key string) bool {
	v := o.get(key)
	if v == nil {
		return false
	}
	on, err := v.bool(key)
	if err != nil {
		o.wrong(err)
	}
	return on
}

// identity reads what tells a server apart from others.
func (o *optionReader) identity() {
	o.string("nsid_ascii", &o.server.id)
	if v := o.get("nsid"); v != nil {
		octets, err := hex.DecodeString(v.text)
		if id := string(octets); err != nil || !isPrintable(id) || id == "" {
			o.lost(v, "nsid is not carried over: gslb's id is text, which also answers id.server")
		} else {
			o.server.id = id
		}
	}
	o.string("chaos_response", &o.server.version)
	if len(o.server.version) > mostText {
		o.lost(o.table.get("chaos_response"), "chaos_response is not carried over: it has more than %d bytes", mostText)
		o.server.version = ""
	}
}

func (o *optionReader) tcp() {
	o.int("tcp_timeout", &o.server.idle, 5, 1800)
	clients, threads := 0, defaultTCPThreads
	o.int("tcp_clients_per_thread", &clients, 16, 65535)
	if t := o.table.get("tcp_threads"); t != nil {
		if n, err := t.int("tcp_threads", 1, 1024); err == nil {
			threads = n
		}
	}
	o.server.connections = min(clients*threads, mostConnections)
}

func (o *optionReader) switches() {
	o.server.noCookies = o.bool("disable_cookies")
	if o.table.get("edns_client_subnet") != nil {
		o.server.noSubnets = !o.bool("edns_client_subnet")
	}
	o.known = append(o.known, "edns_client_subnet")
}

// anyAddress is every address of the host.
func anyAddress(port int) []string {
	p := strconv.Itoa(port)
	return []string{net.JoinHostPort("0.0.0.0", p), net.JoinHostPort("::", p)}
}

// listen reads the addresses to listen on: one, a list, a table with options of each, or any.
func (o *optionReader) listen(v *value) {
	specs := v.elements()
	if v.form == table {
		specs = nil
		for i, key := range v.keys {
			spec := v.items[i]
			if spec.form == table {
				if proxy := spec.get("tcp_proxy"); proxy != nil && strings.EqualFold(proxy.text, "true") {
					o.lost(spec, "the listener %s is not carried over: gslb has no PROXY protocol", key)
					continue
				}
				for j, option := range spec.keys {
					o.lost(spec.items[j], "%s of the listener %s is not carried over: gslb has no options of one address", option, key)
				}
			}
			specs = append(specs, &value{place: spec.place, text: key})
		}
	}
	for _, spec := range specs {
		if spec.form == simple && spec.text == "any" {
			for _, addr := range anyAddress(o.port) {
				if !slices.Contains(o.server.listen, addr) {
					o.server.listen = append(o.server.listen, addr)
				}
			}
			continue
		}
		addr, err := listenAddress(spec, o.port)
		if err != nil {
			o.wrong(err)
			continue
		}
		if !slices.Contains(o.server.listen, addr) {
			o.server.listen = append(o.server.listen, addr)
		}
	}
	o.server.listen = uncovered(o.server.listen)
	if len(o.server.listen) == 0 {
		o.lost(v, "no address to listen on is left; any is taken")
		o.server.listen = anyAddress(o.port)
	}
}

// uncovered drops the addresses that one of any address of their family and port has as well.
func uncovered(listen []string) []string {
	return slices.DeleteFunc(slices.Clone(listen), func(text string) bool {
		addr := netip.MustParseAddrPort(text)
		any := netip.IPv6Unspecified()
		if addr.Addr().Is4() {
			any = netip.IPv4Unspecified()
		}
		return addr.Addr() != any && slices.Contains(listen, netip.AddrPortFrom(any, addr.Port()).String())
	})
}

// listenAddress reads an address, with a port behind a colon or without.
func listenAddress(v *value, port int) (string, error) {
	text := v.text
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err == nil && !addr.Is4In6() {
		return netip.AddrPortFrom(addr, uint16(port)).String(), nil
	}
	both, err := netip.ParseAddrPort(text)
	if v.form != simple || err != nil || both.Addr().Is4In6() {
		return "", v.fault("found %q; expected an address, or one with a port", text)
	}
	return both.String(), nil
}

// subnets takes over whether maps look at the client's subnet, which is one switch in gslb.
func (im *importer) subnets() {
	ignoring, looking := "", ""
	for _, name := range im.mapsInUse {
		if im.maps[name].ignoreECS {
			ignoring = name
		} else {
			looking = name
		}
	}
	switch {
	case im.server.noSubnets, ignoring == "":
	case looking == "":
		im.server.noSubnets = true
	default:
		im.server.lose("%s", im.note(im.maps[ignoring].place,
			"ignore_ecs of the map %s is not carried over: client_subnet is one switch for all names, and the map %s looks at it", ignoring, looking))
	}
}

func stateFile(dir string) string { return fmt.Sprintf("%s/admin_state", strings.TrimRight(dir, "/")) }
