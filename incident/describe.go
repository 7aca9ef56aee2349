package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/internal/plural"
	"gslb/override"
	"gslb/steer"
	"gslb/zones"
)

// Bounds of texts.
const (
	longestText = 1000 // bytes
	longestWhy  = 400
	saidMoves   = 3 // of an incident's text
	saidNames   = 2 // of a move, unless there is but one more
)

// describePool says what is wrong with a pool.
func (f *finding) describePool(l *Look, state *steer.PoolState, c *poolCase) {
	pool := state.Pool.Name
	f.moves.sort()
	f.why, f.do = cause(state), "find out what is wrong in "+pool+": the names answer other pools meanwhile"
	f.over = pool + " is up, and answered as usual again"
	switch {
	case f.kind == MemberDown:
		down := 0
		for _, m := range state.Members {
			if isDownMember(m) {
				down++
			}
		}
		f.what, f.since = fmt.Sprintf("%d of the %s of %s", down, plural.Of(len(state.Members), "member", "members"), pool)+isAre(down), time.Time{}
		f.do, f.over = "find out what is wrong with the member that the reason names; the others have its clients", "Every member of "+pool+" is up again"
	case f.down && state.Force != nil:
		f.what, f.since = pool+" is forced down", state.Since
		f.of(state.Force)
		f.do, f.over = "gslb unforce "+pool+" when it may be answered again", pool+" is not forced down any more"
	case f.down:
		f.what, f.since = pool+" is down", state.Since
		if c.left.n() == 0 {
			f.do = "find out what is wrong in " + pool
		}
	case state.Drain != nil:
		f.what, f.since = pool+" is drained", state.Drain.Since
		f.of(state.Drain)
		f.do, f.over = "gslb undrain "+pool+" when it may be answered again", pool+" is not drained any more"
	case !state.Degraded.IsZero():
		f.what, f.since, f.why = "The data of "+pool+" is behind", state.Degraded, cmp.Or(state.Copy.Why, state.Copy.Condition.String())
		f.do, f.over = "look at the replication of "+copyName(state)+": clients are not moved to "+pool+" meanwhile", "The data of "+pool+" is current, and it is answered as usual again"
	case f.kind == Waiting:
		f.what, f.since, f.why = pool+" is up again, and waits for gslb failback", state.Since, ""
		f.do = "gslb failback " + zones.Plain(f.moves.list[0].names[0]) + ", when clients may return"
		if more := c.waiting.n - 1; more > 0 {
			f.do += "; and so for " + plural.Of(more, "other name", "other names")
		}
	default: // names return to it, or wait for members that are drained
		f.what, f.since, f.why = pool+" is up again, and not answered as usual yet", cmp.Or(state.Recovered, state.CaughtUp, state.Since), ""
		f.do = ""
	}
	switch {
	case c.slowed.n > 0:
		f.then = plural.Of(c.slowed.n, "name answers", "names answer") + " it all the same, since others went down before (max_down)"
		f.do = "if it is down indeed: gslb force down " + pool
	case c.held.n > 0:
		f.then = plural.Of(c.held.n, "name answers", "names answer") + " it until " + l.clock(c.leaving) + " UTC (failover_after)"
	case c.coming.n > 0 && !c.until.IsZero():
		f.then = "clients have returned at " + l.clock(c.until) + " UTC"
	case c.waiting.n > 0 && f.kind != Waiting:
		f.then = plural.Of(c.waiting.n, "name waits", "names wait") + " for gslb failback"
	}
}

// of says that a finding is due to an override.
func (f *finding) of(o *override.Override) {
	f.override, f.why = o.ID(), o.String()
	if o.Until.IsZero() {
		f.then = "it lasts until somebody ends it"
	}
}

// cause is why a pool is down, without saying again that it is.
func cause(state *steer.PoolState) string { return strings.Replace(state.Cause, " is down: ", ": ", 1) }

func copyName(state *steer.PoolState) string {
	if state.Pool.Replication == nil {
		return "its table"
	}
	return state.Pool.Replication.Name + "@" + state.Pool.Region
}

// sayMode is what names answer of which no pool is left.
var sayMode = map[steer.Mode]string{
	steer.Panic:    "answered with all of it, down or not",
	steer.Fallback: "answered with the fallback",
	steer.LastGood: "answered with what was last good",
	steer.AssumeUp: "answered as if all were up",
	steer.All:      "answered with every address",
	steer.NoData:   "answered with no address",
	steer.ServFail: "answered SERVFAIL",
}

func (c *lostCase) finding(j *judgement) finding {
	c.moves.sort()
	var names []string
	for _, m := range c.moves.list {
		names = append(names, m.names...)
	}
	said, have, answer := j.names(names, c.moves.n()), " have ", " answer"
	if c.moves.n() == 1 {
		have, answer = " has ", " answers"
	}
	f := finding{
		key: c.key, kind: AllDown, subject: strings.TrimPrefix(c.key, "names/"), critical: true, since: c.since, moves: c.moves,
		what: said + have + "no pool left", over: said + have + "a pool again", then: c.answer(),
		do: "bring back one of the pools; if one is up and the probes err: gslb force up POOL",
	}
	if c.worst.Mode == steer.Panic {
		f.what, f.over = "Too little is up of what "+said+answer, "Enough is up again of what "+said+answer
	}
	var why []string
	for p := range c.worst.Route.Steering.Candidates() {
		if state := j.Table.Pools()[p.Index]; state.Status == health.Down {
			why = append(why, p.Name+": "+cmp.Or(cause(state), state.Why))
		} else if state.Drain != nil {
			why = append(why, p.Name+": "+state.Drain.String())
		}
	}
	f.why = strings.Join(why, "; ")
	return f
}

// answer says how names are answered of which no pool is left, and with which pools.
func (c *lostCase) answer() string {
	text := sayMode[c.worst.Mode]
	var pools []string
	for _, m := range c.moves.list {
		if m.to != "" && !slices.Contains(pools, m.to) {
			pools = append(pools, m.to)
		}
	}
	if len(pools) == 0 || len(pools) > saidMoves {
		return text
	}
	return text + ": " + strings.Join(pools, ", ")
}

// text is a finding in one line: "nyc is down since 01:06:02 UTC: connection refused; app and www answer ams;
// clients have moved by 01:07:10".
func (f *finding) text(l *Look, since, moved time.Time) string {
	var b strings.Builder
	b.WriteString(f.what + cmp.Or(f.when, " since ") + l.clock(since) + " UTC")
	b.WriteString(f.because())
	if f.kind != AllDown {
		for i, m := range f.moves.list {
			if i == saidMoves {
				b.WriteString(fmt.Sprintf("; and %d other answers", len(f.moves.list)-i))
				break
			}
			b.WriteString("; " + l.names(m.names, m.all.n) + map[bool]string{true: " answers ", false: " answer "}[m.all.n == 1] + cmp.Or(m.to, "nothing"))
		}
	}
	if f.then != "" {
		b.WriteString("; " + f.then)
	}
	if !moved.IsZero() {
		b.WriteString("; clients have moved by " + l.clock(moved))
	}
	return cut(b.String(), longestText)
}

// summary is the same without what an incident has fields for: since when, what is answered, and by when clients
// have moved.
func (f *finding) summary() string {
	text := f.what + f.because()
	if f.then != "" {
		text += "; " + f.then
	}
	return cut(text, longestText)
}

// because joins the cause to the clause before it, without words that this has said already: "nyc is drained" and
// "drained by root: new kernel" become "nyc is drained: by root: new kernel".
func (f *finding) because() string {
	if f.why == "" {
		return ""
	}
	_, state, _ := strings.Cut(f.what, " is ")
	return ": " + strings.TrimPrefix(cut(f.why, longestWhy), state+" ")
}

// ended is the text of an incident that is over: "nyc is up, and answered as usual again; ended at 01:20:12 UTC, after
// 14m10s; it was: nyc is down since 01:06:02 UTC: connection refused".
func ended(over, text string, since, until time.Time) string {
	return cut(over+"; ended at "+until.UTC().Format(time.TimeOnly)+" UTC, after "+span(until.Sub(since))+"; it was: "+text, longestText)
}

// names lists names as a person calls them: in a server of one zone, by their first labels.
func (l *Look) names(names []string, total int) string {
	suffix := ""
	if list := l.Table.Set().Zones; len(list) == 1 {
		suffix = "." + list[0].Name
	}
	shown := names[:min(len(names), saidNames)]
	if total == saidNames+1 && len(names) == total {
		shown = names
	}
	var said []string
	for _, n := range shown {
		said = append(said, zones.Plain(strings.TrimSuffix(n, suffix)))
	}
	if others := total - len(shown); others > 0 {
		said = append(said, plural.Of(others, "other", "others"))
	}
	if len(said) == 1 {
		return said[0]
	}
	return strings.Join(said[:len(said)-1], ", ") + " and " + said[len(said)-1]
}

// clock is a time of this day, or with its date.
func (l *Look) clock(t time.Time) string {
	t = t.UTC()
	if l.Now.UTC().Format(time.DateOnly) == t.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// span is a duration as people say it: "42s", "14m8s", "3h10m", "2d4h".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(0, d).Round(time.Second)
	switch {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}

func isAre(n int) string {
	if n == 1 {
		return " is down"
	}
	return " are down"
}

// cut shortens a text at the end of a character. It keeps it in one line: a target chooses some of it.
func cut(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}
