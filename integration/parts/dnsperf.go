package parts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DNSPerfConfig says how to run dnsperf.
type DNSPerfConfig struct {
	Name    string // of the part, whose log is dnsperf's output
	Server  netip.AddrPort
	Queries string        // path of a file: a name and a type on each line
	Time    time.Duration // for which queries are sent
	Rate    int           // queries per second at most; 0: as many as are answered
	Clients int           // sockets that it sends from; 0: one
	TCP     bool          // over connections that stay, not UDP
}

// DNSPerfReport is what dnsperf found.
type DNSPerfReport struct {
	Sent        int64
	Completed   int64
	Lost        int64            // without a reply for five seconds
	Rcodes      map[string]int64 // replies by response code: "NOERROR"
	RequestSize int              // bytes, on average
	ReplySize   int              // bytes, on average
	Time        time.Duration
	Latency     time.Duration // on average
	Reconnected int64         // connections over TCP that were made again
}

// DNSPerf runs dnsperf and returns its report.
func (l *Lab) DNSPerf(ctx context.Context, config DNSPerfConfig) (*DNSPerfReport, error) {
	path, err := find("dnsperf")
	if err != nil {
		return nil, err
	}
	family := "inet6"
	if config.Server.Addr().Is4() {
		family = "inet"
	}
	args := []string{
		"-f", family, "-s", config.Server.Addr().String(), "-p", strconv.Itoa(int(config.Server.Port())),
		"-d", config.Queries, "-l", strconv.FormatFloat(config.Time.Seconds(), 'f', -1, 64),
		"-c", strconv.Itoa(max(config.Clients, 1)),
	}
	if config.TCP {
		args = append(args, "-m", "tcp")
	}
	if config.Rate > 0 {
		args = append(args, "-Q", strconv.Itoa(config.Rate))
	}
	part, err := l.start(ctx, program{
		name: config.Name, path: path, args: args,
		ready: func(context.Context) error { return nil },
	})
	if err != nil {
		return nil, err
	}
	state, err := part.Wait(ctx)
	if err != nil {
		part.Kill()
		return nil, err
	}
	if !state.Success() {
		return nil, fmt.Errorf("%s: %v; its log ends:\n%s", config.Name, state, part.tail())
	}
	text, err := part.Log()
	if err != nil {
		return nil, err
	}
	report, err := parseDNSPerf(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w:\n%s", config.Name, err, part.tail())
	}
	return report, nil
}

// parseDNSPerf reads the statistics that end dnsperf's output: a line each, of a name and its
// values.
func parseDNSPerf(text string) (*DNSPerfReport, error) {
	lines := make(map[string]string)
	_, statistics, _ := strings.Cut(text, "Statistics:")
	for line := range strings.Lines(statistics) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			lines[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	p := fieldParser{lines: lines}
	report := &DNSPerfReport{
		Sent:      int64(p.number("Queries sent", "")),
		Completed: int64(p.number("Queries completed", "")),
		Lost:      int64(p.number("Queries lost", "")),
		Time:      time.Duration(p.number("Run time (s)", "") * float64(time.Second)),
		Rcodes:    make(map[string]int64),
	}
	if lines["Reconnections"] != "" {
		report.Reconnected = int64(p.number("Reconnections", ""))
	}
	if report.Completed > 0 { // or there is nothing to be average
		report.RequestSize = int(p.number("Average packet size", "request "))
		report.ReplySize = int(p.number("Average packet size", "response "))
		report.Latency = time.Duration(p.number("Average Latency (s)", "") * float64(time.Second))
		for _, match := range rcodeCount.FindAllStringSubmatch(lines["Response codes"], -1) {
			report.Rcodes[match[1]], _ = strconv.ParseInt(match[2], 10, 64)
		}
	}
	return report, errors.Join(p.errs...)
}

// rcodeCount matches one response code of "NOERROR 95 (95.00%), NXDOMAIN 5 (5.00%)".
var rcodeCount = regexp.MustCompile(`(\w+) (\d+) \(`)

// fieldParser collects what is wrong with the values that it reads.
type fieldParser struct {
	lines map[string]string
	errs  []error
}

// number reads the number that begins a line's value, or the one that follows a word in it.
func (p *fieldParser) number(line, word string) float64 {
	value := p.lines[line]
	if word != "" {
		_, value, _ = strings.Cut(value, word)
	}
	digits := len(value) - len(strings.TrimLeft(value, "0123456789."))
	n, err := strconv.ParseFloat(value[:digits], 64)
	if err != nil {
		p.errs = append(p.errs, fmt.Errorf("%q: no number in %q", line, p.lines[line]))
	}
	return n
}
