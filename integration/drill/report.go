package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what a drill has found. It is the document drill.json; all times are in seconds.
type report struct {
	Began     time.Time      `json:"began"`
	Ended     time.Time      `json:"ended"`
	Host      string         `json:"host"`
	Name      string         `json:"name"` // that clients ask for
	Preferred string         `json:"preferred"`
	Other     string         `json:"other"` // the pool that takes over
	TTL       secs           `json:"ttl"`
	Settings  []string       `json:"settings"` // that the bounds are made of, besides the TTL
	Resolvers []program      `json:"resolvers"`
	Clients   []program      `json:"clients"`
	Faults    []*faultReport `json:"faults"`

	clients []*client
}

// program is a resolver or a kind of client.
type program struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Version string `json:"version"`
}

// secs is a time in seconds, to the millisecond.
type secs float64

func seconds(d time.Duration) secs { return secs(math.Round(d.Seconds()*1000) / 1000) }

func (s secs) String() string { return fmt.Sprintf("%.1f s", float64(s)) }

// faultReport is what came of one fault.
type faultReport struct {
	Fault string    `json:"fault"`
	What  string    `json:"what"`
	Began time.Time `json:"began"`
	Stays bool      `json:"stays"` // clients are to stay where they are
	// Server says that one of the servers had it, which the other one does not see.
	Server bool   `json:"server"`
	Why    string `json:"why"` // as a server says it

	// DetectBound is by when the settings of the checks have a fault detected.
	DetectBound secs `json:"detect_bound"`

	Servers   []serverReport `json:"servers"`
	Resolvers []moveReport   `json:"resolvers"`
	Clients   []moveReport   `json:"clients"` // by kind, and of each by resolver

	Until secs `json:"until"` // when it was undone, counted from its begin
}

// serverReport is what one of the servers did.
type serverReport struct {
	Name     string  `json:"name"`
	Detected *secs   `json:"detected"` // null: not
	Answered *secs   `json:"answered"` // when its answers had changed; null: they had not
	Back     *secs   `json:"back"`     // when they were as before, counted from the end of the fault
	Lane     []piece `json:"lane"`
}

// moveReport is when a resolver, or a client on a resolver, has moved.
type moveReport struct {
	Name     string `json:"name"` // of the resolver, or of the kind of client
	Resolver string `json:"resolver,omitempty"`
	Bound    secs   `json:"bound"`   // by when it is to have moved
	Moved    *secs  `json:"moved"`   // null: it has not
	Failed   int    `json:"failed"`  // requests that came to nothing meanwhile
	Slowest  secs   `json:"slowest"` // what the slowest question, or request, took
	Back     *secs  `json:"back"`    // when it was back, counted from the end of the fault; null: it kept its connection
	// Reason is what the last request that failed came to.
	Reason string  `json:"reason,omitempty"`
	Lane   []piece `json:"lane"`

	kind clientKind // of a client
}

// piece is a part of a timeline: from and to in seconds since the fault.
type piece struct {
	From   secs   `json:"from"`
	To     secs   `json:"to"`
	Region string `json:"region"` // empty: requests failed
}

// newFaultReport makes the report of a fault with what is expected.
func newFaultReport(s *stack, kind faultKind, began time.Time) *faultReport {
	f := &faultReport{Fault: string(kind.fault), What: kind.what, Began: began, Stays: kind.stays, Server: kind.server}
	bound := detectBound(kind, s.example.Checks)
	if kind.stays {
		bound = 0
	}
	f.DetectBound = seconds(bound)
	for _, server := range s.servers {
		f.Servers = append(f.Servers, serverReport{Name: server.name})
	}
	ttl := s.example.Steered[s.name].TTL
	resolved := make(map[string]time.Duration)
	var own *resolver // the one that others ask
	for _, r := range s.resolvers {
		kind := r.resolverKind
		if own == nil {
			own = r
		} else if kind.forwards {
			kind.leastTTL = max(kind.leastTTL, own.leastTTL)
		}
		resolved[r.name] = resolverBound(bound, ttl, kind)
		f.Resolvers = append(f.Resolvers, moveReport{Name: r.name, Bound: seconds(resolved[r.name])})
	}
	for _, c := range s.clients {
		f.Clients = append(f.Clients, moveReport{
			Name: c.name, Resolver: c.resolver, Bound: seconds(clientBound(resolved[c.resolver], c.clientKind)), kind: c.clientKind,
		})
	}
	return f
}

// longest is by when all are to have moved.
func (f *faultReport) longest() time.Duration {
	var longest secs
	for _, m := range slices.Concat(f.Resolvers, f.Clients) {
		longest = max(longest, m.Bound)
	}
	return time.Duration(float64(longest) * float64(time.Second))
}

func (s *serverReport) detected(after time.Duration, was bool) {
	if was {
		s.Detected = ref(max(0, after))
	}
}

func ref(d time.Duration) *secs {
	s := seconds(d)
	return &s
}

// measure takes over what was seen from the fault on until now, which is its end.
func (f *faultReport) measure(s *stack, now time.Time) {
	f.Until = seconds(now.Sub(f.Began))
	to := s.other
	if f.Stays {
		to = s.preferred
	}
	laneOf := func(seen []observation) (lane []piece) {
		for _, p := range spans(seen, f.Began, now.Sub(f.Began)) {
			lane = append(lane, piece{seconds(p.From), seconds(p.To), p.Region})
		}
		return lane
	}
	for i, server := range s.servers {
		seen := server.track.between(f.Began, now)
		f.Servers[i].Lane = laneOf(seen)
		if m := moved(seen, f.Began, now, to); m.Made && !f.Stays {
			f.Servers[i].Answered = ref(m.After)
		}
	}
	fill := func(r *moveReport, t *track) {
		seen := t.between(f.Began, now)
		for _, o := range seen {
			r.Slowest = max(r.Slowest, seconds(o.Took))
			if o.Err != "" {
				r.Reason = o.Err
			}
		}
		m := moved(seen, f.Began, now, to)
		if r.Lane, r.Failed = laneOf(seen), m.Failed; m.Made {
			r.Moved = ref(m.After)
		}
	}
	for i := range s.resolvers {
		fill(&f.Resolvers[i], s.resolvedBy[i])
	}
	for i, c := range s.clients {
		fill(&f.Clients[i], &c.track)
	}
}

// measureReturn takes over what was seen from the end of the fault on until now.
func (f *faultReport) measureReturn(s *stack, healed, now time.Time) {
	one := func(t *track) *secs {
		if m := moved(t.between(healed, now), healed, now, s.preferred); m.Made {
			return ref(m.After)
		}
		return nil
	}
	for i, server := range s.servers {
		f.Servers[i].Back = one(&server.track)
	}
	for i := range s.resolvers {
		f.Resolvers[i].Back = one(s.resolvedBy[i])
	}
	for i, c := range s.clients {
		f.Clients[i].Back = one(&c.track)
	}
}

// worst is the latest of times, and whether all of them are there.
func worst(times []*secs) (latest secs, all bool) {
	all = len(times) > 0
	for _, t := range times {
		if t == nil {
			all = false
		} else {
			latest = max(latest, *t)
		}
	}
	return latest, all
}

func (f *faultReport) detectedAfter() (secs, bool) {
	return worst(each(f.Servers, func(s serverReport) *secs { return s.Detected }))
}

func (f *faultReport) answeredAfter() (secs, bool) {
	return worst(each(f.Servers, func(s serverReport) *secs { return s.Answered }))
}

func (f *faultReport) resolvedAfter() (secs, bool) { return worst(each(f.Resolvers, movedOf)) }

func movedOf(m moveReport) *secs { return m.Moved }

// lasted is how long a client went without the other region: at least until the end of the fault if it has not moved.
func (f *faultReport) lasted(m moveReport) secs {
	if m.Moved == nil {
		return f.Until
	}
	return *m.Moved
}

// slowest is the client that has moved last, or has not.
func (f *faultReport) slowest() *moveReport {
	if len(f.Clients) == 0 {
		return nil
	}
	m := slices.MaxFunc(f.Clients, func(a, b moveReport) int { return cmp.Compare(f.lasted(a), f.lasted(b)) })
	return &m
}

// late are those that moved later than their bound, or not. Who has more time than was waited is not late.
func (f *faultReport) late() []moveReport {
	var late []moveReport
	for _, m := range slices.Concat(f.Resolvers, f.Clients) {
		if m.Moved == nil && m.Bound <= f.Until || m.Moved != nil && *m.Moved > m.Bound {
			late = append(late, m)
		}
	}
	return late
}

// lastOf is when the last of some had moved, for a table. How long they were waited for stands there where one of
// them had more time than that.
func (f *faultReport) lastOf(some []moveReport) string {
	latest, all := worst(each(some, movedOf))
	for _, m := range some {
		if m.Moved == nil && m.Bound > f.Until {
			return "> " + f.Until.String()
		}
	}
	return after(latest, all)
}

// failed counts the requests of clients that came to nothing.
func (f *faultReport) failed() (n int) {
	for _, c := range f.Clients {
		n += c.Failed
	}
	return n
}

// sentence says what came of a fault.
func (f *faultReport) sentence() string {
	if f.Stays {
		text := "nobody was moved"
		if late := f.late(); len(late) > 0 {
			text = fmt.Sprintf("%d of the resolvers and clients did not stay where they were", len(late))
		}
		if n := f.failed(); n > 0 {
			text += fmt.Sprintf(", and %d of the clients' requests failed", n)
		} else {
			text += ", and no request failed"
		}
		if f.Server && len(f.Clients) > 0 {
			slowest := slices.MaxFunc(f.Clients, func(a, b moveReport) int { return cmp.Compare(a.Slowest, b.Slowest) })
			text += fmt.Sprintf("; the slowest request took %v (%s)", slowest.Slowest, slowest.who())
		}
		return text
	}
	detected, ok1 := f.detectedAfter()
	answered, ok2 := f.answeredAfter()
	text := fmt.Sprintf("detected after %s, answered anew after %s, clients moved after %s", after(detected, ok1), after(answered, ok2), f.lastOf(f.Clients))
	return strings.ReplaceAll(text, "after never", "never")
}

// returned says when all were back.
func (f *faultReport) returned() string {
	back, _ := worst(each(f.Clients, func(m moveReport) *secs { return m.Back }))
	answered, _ := worst(each(f.Servers, func(s serverReport) *secs { return s.Back }))
	return fmt.Sprintf("answered as before after %v, clients back after %v", answered, back)
}

func after(s secs, all bool) string {
	if !all {
		return "never"
	}
	return s.String()
}

// how says when somebody moved, beside its bound.
func (f *faultReport) how(m moveReport) string {
	switch {
	case m.Moved != nil:
		return fmt.Sprintf("moved after %v (bound %v)", *m.Moved, m.Bound)
	case m.Bound > f.Until:
		return fmt.Sprintf("had not moved after %v (bound %v)", f.Until, m.Bound)
	}
	return fmt.Sprintf("did not move (bound %v)", m.Bound)
}

// who names a client and its resolver.
func (m *moveReport) who() string {
	if m.Resolver == "" {
		return m.Name
	}
	return m.kind.what + ", on " + m.Resolver
}

// load reads the document of an earlier drill.
func load(path string) (*report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range r.Faults {
		for i, c := range f.Clients {
			kinds, err := chosen(c.Name, clientKinds(), clientName)
			if err != nil {
				return nil, fmt.Errorf("%s: client %w", path, err)
			}
			f.Clients[i].kind = kinds[0]
		}
	}
	return r, nil
}

// write leaves drill.json and drill.html in a folder, and prints the tables.
func (r *report) write(folder string, out io.Writer) error {
	document, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	page, err := r.html()
	if err != nil {
		return err
	}
	path := filepath.Join(folder, "drill.html")
	err = errors.Join(
		os.MkdirAll(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "drill.json"), append(document, '\n'), 0o644),
		os.WriteFile(path, page, 0o644),
	)
	r.print(out)
	fmt.Fprintf(out, "The same with timelines is in %s, and as JSON beside it.\n", path)
	return err
}
