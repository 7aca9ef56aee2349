package admin

import (
	"bytes"
	"log/slog"
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"gslb/answer"
	"gslb/health"
	"gslb/steer"
)

// nameSeries is how many names may have series of their own. A configuration with more names has no
// such series at all. With only some, it would depend on the order of names whether an alert on one
// works. gslb_names_without_series tells, and gslb_names and gslb_pool_names, which are always
// there, count by mode and by pool.
const nameSeries = 5_000

// modes is every way in which a decision can come about. Each has a sample in gslb_names
// even when no name is in it, so that an alert on one has something to look at.
var modes = [...]steer.Mode{
	steer.Pending, steer.Normal, steer.Untested, steer.AssumeUp, steer.LastGood, steer.Fallback, steer.ServFail,
}

var (
	descBuild = describe("build_info", "Constant 1, with the version of the program and of Go.", "version", "goversion")

	descConfigInfo     = describe("config_info", "Constant 1, with the configuration that is live.", "hash", "path")
	descConfigLoaded   = describe("config_loaded_timestamp_seconds", "When the configuration that is live was loaded.")
	descReloadFailures = describe("config_reload_failures_total", "Attempts to reload the configuration that failed.")
	descReloadOK       = describe("config_last_reload_successful", "Whether the last attempt to reload the configuration succeeded (1, also while there was none) or not (0).")
	descSerial         = describe("zone_serial", "Serial of the zone's SOA record.", "zone")

	descPoolStatus    = describe("pool_status", "Status of the pool: 1 up, 0 down, -1 unknown.", "pool", "region")
	descPoolMembers   = describe("pool_members", "Members of the pool.", "pool")
	descPoolMembersUp = describe("pool_members_up", "Members of the pool that are up.", "pool")
	descPoolNames     = describe("pool_names", "Names that are answered with the pool; with an empty pool label, those answered SERVFAIL.", "pool")

	descNames       = describe("names", "Steered names, by the mode of their answer; anything but normal wants attention.", "mode")
	descNamePool    = describe("name_pool", "Constant 1, with the pool that the name is answered with; empty with SERVFAIL.", "zone", "name", "pool")
	descNameMode    = describe("name_mode", "Constant 1, with the mode of the name's answer.", "zone", "name", "mode")
	descConnections = describe("admin_connections", "Open connections of the admin server.")
	descEvictions   = describe("admin_evictions_total", "Connections of the admin server that were closed to let another one in.")

	descNamesOmitted = describe("names_without_series", "Names that are not in gslb_name_pool and gslb_name_mode: all of them when they are more than 5000, otherwise 0.")
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
		descBuild, descConfigInfo, descConfigLoaded, descReloadFailures, descReloadOK, descSerial,
		descPoolStatus, descPoolMembers, descPoolMembersUp, descPoolNames,
		descNames, descNamePool, descNameMode, descNamesOmitted,
		descConnections, descEvictions,
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
	if l := c.server.listener; l != nil {
		gauge(ch, descConnections, float64(l.count()))
		ch <- prometheus.MustNewConstMetric(descEvictions, prometheus.CounterValue, float64(l.evicted.Load()))
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
}

func collectNames(ch chan<- prometheus.Metric, table *answer.Table) {
	byMode := make(map[steer.Mode]int)
	byPool := map[string]int{"": 0}
	for _, pool := range table.Pools() {
		byPool[pool.Pool.Name] = 0
	}
	total := nameCount(table.Set())
	for _, zone := range table.Set().Zones {
		for _, name := range zone.Names {
			d := *table.Decisions()[name.Steering.Routes[0].Index]
			byMode[d.Mode]++
			byPool[d.PoolName()]++
			if total <= nameSeries {
				gauge(ch, descNamePool, 1, zone.Name, name.Name, d.PoolName())
				gauge(ch, descNameMode, 1, zone.Name, name.Name, string(d.Mode))
			}
		}
	}
	for _, mode := range modes {
		gauge(ch, descNames, float64(byMode[mode]), string(mode))
	}
	for pool, count := range byPool {
		gauge(ch, descPoolNames, float64(count), pool)
	}
	omitted := 0
	if total > nameSeries {
		omitted = total
	}
	gauge(ch, descNamesOmitted, float64(omitted))
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
