package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gslb/geo"
	"gslb/zones"
	"gslb/zones/problem"
)

const (
	defaultTTLMin     = 5 * time.Second
	maxAfter          = 7 * 24 * time.Hour // of failover_after, failback_after and failback_ramp
	minRamp           = time.Second
	defaultRamp       = 10 * time.Minute
	defaultMaxAnswers = 8 // with policy all
	maxMaxAnswers     = 65535

	orderRotate = "rotate"
	orderFixed  = "fixed"
)

// steering is how some names are steered while it is made. Its routes come last: which classes of
// clients there are depends on the views of all names.
type steering struct {
	*zones.Steering
	at    *problem.Place // of the first name that is steered so
	views []view         // the narrowest first
	fixed bool           // there is one view, of all clients, whose tiers are the key pools
	alone string         // the only name that may be steered so; empty: any number may

	points []geo.Point // of the pools, if their distance matters, each once
}

// view is a class of clients and the tiers for it.
type view struct {
	geo.View
	name   string // of View; empty: there are no views
	at     *problem.Place
	tiers  []tier
	fenced bool // its clients go on to no wider view
}

// tier is pools that share clients.
type tier struct {
	at     *problem.Place
	shares []zones.Share
}

// steering makes the finished form of how a name is steered, but for its routes.
func (l *loader) steering(z *zone, key string, raw *rawName) *zones.Steering {
	before, at := l.Len(), z.nameAt(key)
	l.among(at.Key("order"), raw.Order, orderRotate, orderFixed)
	n := &steering{at: at, Steering: &zones.Steering{
		Policy:        zones.Policy(raw.Policy),
		Fixed:         raw.Order == orderFixed,
		FailoverAfter: raw.FailoverAfter.Duration,
		MaxDown:       l.maxDown,
		Within:        l.downWithin,
		PanicBelow:    l.panicBelow(at.Key("panic_below"), raw.PanicBelow),
		WhenAllDown:   zones.WhenAllDown(raw.WhenAllDown),
	}}
	l.durationWithin(at.Key("failover_after"), raw.FailoverAfter, 0, maxAfter)
	l.failback(n, raw)
	if n.Failback == zones.FailbackManual {
		n.alone, _ = qualify(key, z.Name, true) // a wrong name is reported elsewhere
	}
	l.policy(n, raw)
	l.maxAnswers(n, raw.MaxAnswers)
	l.steeringTTLs(n.Steering, z, at, raw)
	l.whenAllDown(n.Steering, at, raw)
	if n.PanicBelow > 0 && !n.canPanic() {
		l.warnings.Add(at.Key("panic_below"), "it has no effect, since no tier has two pools with a weight; remove it")
	}
	if l.Len() > before {
		return n.Steering // nobody will see it
	}
	n.Key = n.key()
	if same := l.steerings[n.Key]; same != nil {
		return same.Steering
	}
	n.Index = len(l.set.Steerings)
	l.steerings[n.Key] = n
	l.set.Steerings = append(l.set.Steerings, n.Steering)
	l.routed = append(l.routed, n)
	return n.Steering
}

// among reports a word that is none of those that are known.
func (l *loader) among(at *problem.Place, word string, known ...string) bool {
	if slices.Contains(known, word) {
		return true
	}
	l.Add(at, "found %q; %s", word, meant(word, known))
	return false
}

// failback reads how a pool that has recovered is returned to.
func (l *loader) failback(n *steering, raw *rawName) {
	after, ramp := n.at.Key("failback_after"), n.at.Key("failback_ramp")
	l.among(n.at.Key("failback"), raw.Failback, string(zones.FailbackAuto), string(zones.FailbackManual), string(zones.FailbackRamped))
	n.Failback = zones.Failback(raw.Failback)
	if raw.FailbackAfter != nil {
		n.FailbackAfter = raw.FailbackAfter.Duration
		l.durationWithin(after, *raw.FailbackAfter, 0, maxAfter)
		if n.Failback == zones.FailbackManual {
			l.Add(after, `failback is "manual": a pool is returned to by the command gslb failback, however long it has been up; remove this, or expected failback = "auto" or "ramped"`)
		}
	}
	switch {
	case n.Failback != zones.FailbackRamped && raw.FailbackRamp != nil:
		l.Add(ramp, `failback is %q, which does not use it; expected failback = "ramped", or none`, raw.Failback)
	case n.Failback != zones.FailbackRamped:
	case raw.FailbackRamp == nil:
		n.FailbackRamp = defaultRamp
	default:
		n.FailbackRamp = raw.FailbackRamp.Duration
		l.durationWithin(ramp, *raw.FailbackRamp, minRamp, maxAfter)
	}
	if n.Failback == zones.FailbackRamped && n.Policy == zones.All {
		l.Add(n.at.Key("failback"), `found "ramped", but policy = "all" answers every client with all pools of a tier, so that no part of the clients can grow; expected "auto" or "manual", or another policy`)
	}
}

// panicBelow reads a percentage.
func (l *loader) panicBelow(at *problem.Place, text string) int {
	percent, ok := percentage(text)
	if !ok {
		l.Add(at, `found %q; expected a share of the weight from "0%%" to "100%%"`, text)
	}
	return percent
}

// canPanic reports whether there is a tier of which a part may be up.
func (n *steering) canPanic() bool {
	for i := range n.views {
		for _, t := range n.views[i].tiers {
			pools := 0
			for _, share := range t.shares {
				if share.Weight > 0 {
					pools++
				}
			}
			if pools > 1 {
				return true
			}
		}
	}
	return false
}

// percentage reads a share such as 50%.
func percentage(text string) (percent int, ok bool) {
	digits, isShare := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(digits, 10, 32)
	return int(n), isShare && err == nil && n <= 100
}

func (l *loader) maxAnswers(n *steering, raw *int64) {
	switch {
	case raw != nil:
		n.MaxAnswers = l.within(n.at.Key("max_answers"), *raw, 1, maxMaxAnswers)
	case n.Policy == zones.All:
		n.MaxAnswers = defaultMaxAnswers
	}
}

func (l *loader) steeringTTLs(s *zones.Steering, z *zone, at *problem.Place, raw *rawName) {
	ttl := z.ttl
	if raw.TTL != nil {
		ttl = *raw.TTL
		l.ttl(at.Key("ttl"), ttl)
	}
	s.TTL = ttl.Duration
	s.TTLMin = min(s.TTL, defaultTTLMin)
	if raw.TTLMin != nil {
		s.TTLMin = raw.TTLMin.Duration
		if l.ttl(at.Key("ttl_min"), *raw.TTLMin) && s.TTLMin > s.TTL {
			l.Add(at.Key("ttl_min"), "found %s; expected at most the ttl, %s", raw.TTLMin, ttl.plain())
		}
	}
}

// whenAllDown reads what a name answers when none of its pools is left. The fallback may be
// one of them: it is then answered whatever its status.
func (l *loader) whenAllDown(s *zones.Steering, at *problem.Place, raw *rawName) {
	l.among(at.Key("when_all_down"), raw.WhenAllDown, string(zones.AssumeUp), string(zones.LastGood),
		string(zones.UseFallback), string(zones.AnswerAll), string(zones.NoData), string(zones.ServFail))
	switch {
	case raw.Fallback != nil:
		if p := l.poolNamed(at.Key("fallback"), *raw.Fallback); p != nil {
			s.Fallback = p.Pool
		}
		if s.WhenAllDown != zones.UseFallback {
			l.Add(at.Key("fallback"), `when_all_down is %q, which does not use it; expected when_all_down = "fallback", or none`, raw.WhenAllDown)
		}
	case s.WhenAllDown == zones.UseFallback:
		l.Add(at.Key("fallback"), `missing; expected a pool, since when_all_down is "fallback"`)
	}
}

// key writes down how names are steered in one canonical way. The names of pools hold no space, and
// nothing that stands between them.
func (n *steering) key() string {
	var b strings.Builder
	b.WriteString(string(n.Policy))
	for i := range n.views {
		v := &n.views[i]
		switch {
		case n.fixed:
			b.WriteString(" pools=")
		case v.fenced:
			b.WriteString(" fenced " + v.name + "=")
		default:
			b.WriteString(" " + v.name + "=")
		}
		for t := range v.tiers {
			if t > 0 {
				b.WriteByte('|')
			}
			for i, share := range v.tiers[t].shares {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(share.Pool.Name)
				if share.Weight != 1 {
					fmt.Fprintf(&b, ":%d", share.Weight)
				}
			}
		}
	}
	fmt.Fprintf(&b, " ttl=%s ttl_min=%s when_all_down=%s failback_after=%s", short(n.TTL), short(n.TTLMin), n.WhenAllDown, short(n.FailbackAfter))
	switch n.Failback {
	case zones.FailbackManual:
		b.WriteString(" failback=manual name=" + n.alone)
	case zones.FailbackRamped:
		b.WriteString(" failback_ramp=" + short(n.FailbackRamp))
	}
	if n.Fallback != nil {
		b.WriteString(" fallback=" + n.Fallback.Name)
	}
	if n.FailoverAfter > 0 {
		b.WriteString(" failover_after=" + short(n.FailoverAfter))
	}
	if n.PanicBelow > 0 {
		fmt.Fprintf(&b, " panic_below=%d%%", n.PanicBelow)
	}
	if n.MaxAnswers > 0 {
		fmt.Fprintf(&b, " max_answers=%d", n.MaxAnswers)
	}
	if n.Fixed {
		b.WriteString(" order=fixed")
	}
	return b.String()
}
