package server

import "github.com/prometheus/client_golang/prometheus"

// tcpMetrics counts connections. Each is counted when it is accepted and when it ends.
type tcpMetrics struct {
	accepted prometheus.Counter
	ended    [ends]prometheus.Counter
}

// end is why a connection ended.
type end uint8

const (
	endClient    end = iota // the client closed it, or it broke
	endIdle                 // Limits.TCPIdle
	endRead                 // Limits.TCPRead
	endWrite                // Limits.TCPWrite
	endTotal                // Limits.TCPTotal
	endEvicted              // room was needed for another
	endMalformed            // what came was not a query
	endShutdown             // the server stopped
	ends         = iota
)

func (e end) String() string {
	return [ends]string{"client", "idle", "read", "write", "total", "evicted", "malformed", "shutdown"}[e]
}

func newTCPMetrics() *tcpMetrics {
	m := &tcpMetrics{accepted: prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "gslb", Subsystem: "dns", Name: "tcp_accepted_total",
		Help: "TCP connections accepted.",
	})}
	for why := range ends {
		m.ended[why] = prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "gslb", Subsystem: "dns", Name: "tcp_closed_total",
			Help: "TCP connections that ended, by the reason: client (closed it, or was lost), idle, read, write, total (the limits)," +
				" evicted (room was needed), malformed (what came was not a query), shutdown.",
			ConstLabels: prometheus.Labels{"reason": end(why).String()},
		})
	}
	return m
}

// Describe implements [prometheus.Collector].
func (m *tcpMetrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect implements [prometheus.Collector].
func (m *tcpMetrics) Collect(out chan<- prometheus.Metric) {
	m.accepted.Collect(out)
	for _, counter := range m.ended {
		counter.Collect(out)
	}
}

// opened enters a new connection in the table and the books.
func (t *tcpServer) opened(e *tableEntry) {
	if limit := t.conns.add(e); limit != "" {
		t.metrics.evictions.WithLabelValues(limit).Inc()
	}
	t.metrics.tcpConns.Inc()
	t.metrics.tcp.accepted.Inc()
}

// closed takes a connection that is about to be closed out of both.
func (t *tcpServer) closed(e *tableEntry, why end) {
	if evicted := !t.conns.remove(e); evicted {
		why = endEvicted
	}
	t.metrics.tcpConns.Dec()
	t.metrics.tcp.ended[why].Inc()
}

// acceptFailed reports that no connection could be taken in.
func (t *tcpServer) acceptFailed(err error) {
	t.metrics.complain(t.logger, "accepting a TCP connection failed; it is tried again", err)
}
