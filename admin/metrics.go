package admin

import (
	"bytes"
	"iter"
	"log/slog"
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"gslb/answer"
	"gslb/geo"
	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Bounds on the series of single names. A configuration with more has no such series at all. With only
// some, it would depend on the order of names whether an alert on one works.
// gslb_names_without_series tells, and gslb_names and gslb_pool_names, which are always there, count
// by mode and by pool.
const (
	nameSeries = 5_000  // names
	poolSeries = 20_000 // of their pools, in all views, at most
)

var (
	descBuild = describe("build_info", "Constant 1, with the version of the program and of Go.", "version", "goversion")

	descConfigInfo     = describe("config_info", "Constant 1, with the configuration that is live.", "hash", "path")
	descConfigLoaded   = describe("config_loaded_timestamp_seconds", "When the configuration that is live was loaded.")
	descReloadFailures = describe("config_reload_failures_total", "Attempts to reload the configuration that failed.")
	descReloadOK       = describe("config_last_reload_successful", "Whether the last attempt to reload the configuration succeeded (1, also while there was none) or not (0).")
	descPending        = describe("config_pending", "Whether a configuration waits for a person, since it would move many names (1), or not (0).")
	descSerial         = describe("zone_serial", "Serial of the zone's SOA record.", "zone")

	descPoolStatus    = describe("pool_status", "Status of the pool: 1 up, 0 down, -1 unknown.", "pool", "region")
	descPoolMembers   = describe("pool_members", "Members of the pool.", "pool")
	descPoolLoad      = describe("pool_load", "How loaded the pool says that it is, in the unit of its watermarks; only of pools with shed, and while they say it.", "pool")
	descPoolWeight    = describe("pool_told_weight", "The weight that the pool says of itself, or the part of the configured one in percent; only while it says one.", "pool")
	descPoolMembersUp = describe("pool_members_up", "Members of the pool that are up.", "pool")
	descPoolNames     = describe("pool_names", "Names of which clients are answered with the pool; with an empty pool label, names of which clients are answered with none, as with SERVFAIL.", "pool")

	descNames     = describe("names", "Steered names, by the mode of their answer, of the clients that are worst off; anything but normal wants attention.", "mode")
	descNamePool  = describe("name_pool", "Constant 1, with each pool that clients of the name are answered with; empty for none, as with SERVFAIL.", "zone", "name", "pool")
	descNameMode  = describe("name_mode", "Constant 1, with the mode of the name's answer, of the clients that are worst off.", "zone", "name", "mode")
	descViewShare = describe("view_share", "Part of the clients of a view, from 0 to 1, that the name is answered to with the pool; if the view's clients are not answered alike, that of those who have the largest. For names with views, or whose pools share clients; the view is empty where there are none.", "zone", "name", "view", "pool")

	descGeoMaps   = describe("geo_maps", "Tables that tell which views a client is in, or which pools are near: one for all names that ask the same.")
	descGeoRanges = describe("geo_ranges", "Ranges of addresses in these tables.")
	descGeoBytes  = describe("geo_bytes", "Memory of these tables.")
	descGeoBuilt  = describe("geo_database_built_timestamp_seconds", "When the database was built by its maker, as Unix time.", "database")

	descConnections = describe("admin_connections", "Open connections of the admin server.")
	descEvictions   = describe("admin_evictions_total", "Connections of the admin server that were closed to let another one in.")

	descRefused           = describe("admin_refused_total", "Requests to the admin server that were refused, by why: token, certificate and wait are of somebody who guesses, or whose token is out of date.", "reason")
	descCertificate       = describe("admin_certificate_expiry_timestamp_seconds", "When the certificate of the admin server expires, as Unix time.")
	descSocketConnections = describe("admin_socket_connections", "Open connections of the admin server's socket.")

	descNamesStale   = describe("names_stale", "Steered names of which some clients are answered with a pool whose status rests on a verdict that is too old: it is a guess. Alert on more than 0.")
	descNamesOmitted = describe("names_without_series", "Names that are not in gslb_name_pool, gslb_name_mode and gslb_view_share: all of them when they are more than 5000, or have more than 20000 pools in all their views; otherwise 0.")
)

// scrape is an answer of /metrics. Scrapes at about the same time share it.
type scrape struct {
	code   int
	header http.Header
	body   []byte
}

// metricsHandler answers /metrics.
func (s *Server) metricsHandler() http.Handler {
	prom := promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelError),
		// One metric that cannot be gathered must not hide the others.
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only the parts of the request that the response depends on, so that few forms of it are
		// kept.
		like := &http.Request{Method: http.MethodGet, URL: r.URL, Header: http.Header{}}
		like.Header["Accept"] = r.Header["Accept"]
		form := string(expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...))
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			like.Header.Set("Accept-Encoding", "gzip")
			form += " gzip"
		}
		answer, lent, release, err := s.scrapes.take(r.Context(), form, func() scrape {
			c := capture{code: http.StatusOK, header: http.Header{}}
			prom.ServeHTTP(&c, like)
			return scrape{c.code, c.header, c.body.Bytes()}
		})
		if err != nil {
			refuseBusy(w, err)
			return
		}
		defer release()
		defer cutOff(lent, w)()
		for key, values := range answer.header {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.code)
		w.Write(answer.body) // the client is gone if it fails
	})
}

// capture is an http.ResponseWriter that keeps the response.
type capture struct {
	code   int
	header http.Header
	body   bytes.Buffer
}

func (c *capture) Header() http.Header         { return c.header }
func (c *capture) WriteHeader(code int)        { c.code = code }
func (c *capture) Write(p []byte) (int, error) { return c.body.Write(p) }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gslb_"+name, help, labels, nil)
}

// collector makes the metrics of the configuration, the pools and the names out of the
// table, at the moment of the scrape.
type collector struct{ server *Server }

// Describe implements prometheus.Collector.
func (*collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		descBuild, descConfigInfo, descConfigLoaded, descReloadFailures, descReloadOK, descPending, descSerial,
		descPoolStatus, descPoolMembers, descPoolMembersUp, descPoolNames, descPoolLoad, descPoolWeight,
		descNames, descNamePool, descNameMode, descViewShare, descNamesStale, descNamesOmitted,
		descGeoMaps, descGeoRanges, descGeoBytes, descGeoBuilt,
		descConnections, descEvictions, descRefused, descSocketConnections, descCertificate,
	} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge(ch, descBuild, 1, c.server.options.Version, runtime.Version())

	reload := c.server.options.ConfigStatus()
	ch <- prometheus.MustNewConstMetric(descReloadFailures, prometheus.CounterValue, float64(reload.Failures))
	gauge(ch, descReloadOK, boolean(reload.Err == nil))
	gauge(ch, descPending, boolean(reload.Pending != nil))
	evicted := uint64(0)
	if l := c.server.tcp; l != nil {
		gauge(ch, descConnections, float64(l.count()))
		evicted += l.evicted.Load()
	}
	if l := c.server.socket; l != nil {
		gauge(ch, descSocketConnections, float64(l.count()))
		evicted += l.evicted.Load()
	}
	if c.server.tcp != nil || c.server.socket != nil {
		ch <- prometheus.MustNewConstMetric(descEvictions, prometheus.CounterValue, float64(evicted))
	}
	c.server.refused.collect(ch)
	if cert := c.server.options.Settings().Certificate; cert != nil {
		gauge(ch, descCertificate, float64(cert.Leaf.NotAfter.Unix()))
	}

	table := c.server.options.Table()
	if table == nil {
		return
	}
	set := table.Set()
	gauge(ch, descConfigInfo, 1, set.Hash, set.Path)
	gauge(ch, descConfigLoaded, float64(set.Loaded.UnixMilli())/1e3)
	for _, zone := range set.Zones {
		gauge(ch, descSerial, float64(zone.Serial), zone.Name)
	}
	for _, pool := range table.Pools() {
		collectPool(ch, pool)
	}
	collectNames(ch, table)
	collectMaps(ch, set)
}

func collectPool(ch chan<- prometheus.Metric, p *steer.PoolState) {
	up := 0
	for _, member := range p.Members {
		if member.Status == health.Up {
			up++
		}
	}
	gauge(ch, descPoolStatus, p.Status.Gauge(), p.Pool.Name, p.Pool.Region)
	gauge(ch, descPoolMembers, float64(len(p.Members)), p.Pool.Name)
	gauge(ch, descPoolMembersUp, float64(up), p.Pool.Name)
	if p.Load.Known {
		gauge(ch, descPoolLoad, p.Load.Value, p.Pool.Name)
	}
	if p.Weight.Known {
		gauge(ch, descPoolWeight, p.Weight.Value, p.Pool.Name)
	}
}

// collectNames sends what names are answered with.
func collectNames(ch chan<- prometheus.Metric, table *answer.Table) {
	m := moment{table: table, stalePools: make(map[*zones.Pool]bool)}
	byMode := make(map[steer.Mode]int)
	byPool := map[string]int{"": 0}
	for _, pool := range table.Pools() {
		byPool[pool.Pool.Name] = 0
		m.stalePools[pool.Pool] = pool.Stale
	}
	stale := 0
	total := nameCount(table.Set())
	listed := total <= nameSeries && mostPools(table) <= poolSeries
	m.group()
	for g := range m.allGroups() {
		byMode[g.standing.mode] += g.names
		if g.standing.stale {
			stale += g.names
		}
		for pool := range g.answered() {
			byPool[pool] += g.names
		}
	}
	if listed {
		collectEachName(ch, &m)
	}
	for _, mode := range steer.Modes {
		gauge(ch, descNames, float64(byMode[mode]), string(mode))
	}
	for pool, count := range byPool {
		gauge(ch, descPoolNames, float64(count), pool)
	}
	gauge(ch, descNamesStale, float64(stale))
	omitted := 0
	if !listed {
		omitted = total
	}
	gauge(ch, descNamesOmitted, float64(omitted))
}

// collectEachName sends what each name is answered with.
func collectEachName(ch chan<- prometheus.Metric, m *moment) {
	shares := make(map[*group]map[viewShare]float64)
	for name := range m.names() {
		g := m.groupOf(name)
		of, known := shares[g]
		if !known {
			of = g.viewShares()
			shares[g] = of
		}
		gauge(ch, descNameMode, 1, name.Zone.Name, name.Name, string(g.standing.mode))
		for pool := range g.answered() {
			gauge(ch, descNamePool, 1, name.Zone.Name, name.Name, pool)
		}
		for of, share := range of {
			gauge(ch, descViewShare, share, name.Zone.Name, name.Name, of.view, of.pool)
		}
	}
}

// mostPools is how many pools all names can be answered with at most, in all their views. It follows
// from the configuration alone.
func mostPools(table *answer.Table) int {
	most := 0
	for _, s := range table.Set().Steerings {
		pools := len(s.Pools)
		if len(s.Routes) == 1 && s.Policy.IsOrdered() && s.WhenAllDown != zones.AnswerAll {
			pools = 1 // at a time
		}
		most += len(table.Names(s.Index)) * pools * len(viewsOf(s))
	}
	return most
}

// viewsOf is the views of a steering: of each route the narrowest, each once; an empty one if it has
// none.
func viewsOf(s *zones.Steering) map[string]bool {
	views := make(map[string]bool)
	for _, r := range s.Routes {
		views[viewOf(r)] = true
	}
	return views
}

// answered yields the names of the pools that clients of a group are answered with, each once; an
// empty one for none. The clients that no view has do not count.
func (g *group) answered() iter.Seq[string] {
	return func(yield func(string) bool) {
		var seen map[string]bool
		for _, d := range g.decisions {
			if len(d.Route.Tiers) == 0 && len(g.decisions) > 1 {
				continue
			}
			for i := range max(1, len(d.Shares)) {
				pool := ""
				if i < len(d.Shares) {
					pool = d.Shares[i].Pool.Name
				}
				if seen[pool] {
					continue
				}
				if len(g.decisions) > 1 {
					if seen == nil {
						seen = make(map[string]bool)
					}
					seen[pool] = true
				}
				if !yield(pool) {
					return
				}
			}
		}
	}
}

// viewShare is a pool that clients of a view are answered with.
type viewShare struct{ view, pool string }

// viewShares is the largest part of a view's clients that each pool gets; nil for a group without
// views whose pools do not share clients.
func (g *group) viewShares() map[viewShare]float64 {
	first := g.decisions[0]
	if len(g.decisions) == 1 && len(first.Route.Views) == 0 && first.Route.Steering.Policy.IsOrdered() && first.Mode != steer.Ramped && !first.IsShedding() {
		return nil
	}
	shares := make(map[viewShare]float64)
	for _, d := range g.decisions {
		for i, part := range d.Parts() {
			of := viewShare{viewOf(d.Route), d.Shares[i].Pool.Name}
			shares[of] = max(shares[of], part)
		}
	}
	return shares
}

// collectMaps sends how large the tables of views are, and how old the databases that they are from.
func collectMaps(ch chan<- prometheus.Metric, set *zones.Set) {
	seen := make(map[*geo.Map]bool)
	ranges, octets := 0, 0
	for _, s := range set.Steerings {
		if s.Map != nil && !seen[s.Map] {
			seen[s.Map] = true
			ranges += s.Map.Ranges()
			octets += s.Map.Size()
		}
	}
	gauge(ch, descGeoMaps, float64(len(seen)))
	gauge(ch, descGeoRanges, float64(ranges))
	gauge(ch, descGeoBytes, float64(octets))
	for _, d := range set.Databases {
		gauge(ch, descGeoBuilt, float64(d.Built.Unix()), d.Name)
	}
}

// gauge sends one sample. Labels are an operator's text, the path of a file among them;
// Prometheus takes only valid UTF-8.
func gauge(ch chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
