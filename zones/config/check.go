package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

// Limits of what a check may ask for.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = time.Hour
	minTimeout  = 10 * time.Millisecond // and the shortest fast_interval
	maxCount    = 100                   // of rise and fall

	defaultFastInterval = time.Second
	defaultTimeout      = 2 * time.Second
)

// check is a [checks.NAME] table, before it is applied to a pool.
type check struct {
	name     string
	at       *problem.Place
	schedule health.Target // what all targets of the check have in common
	texts    []*text       // all that may hold placeholders
	// spec makes what is probed of the texts; nil if the table does not say enough.
	spec func(*filling) health.Spec

	feedback health.Feedback // what the number is that it finds beside its verdict
	shed     *zones.Shed     // how pools give up clients by it; nil: they don't
	used     bool            // by a pool, or by another check

	of *operands // what it is calculated from; nil: it is probed
}

// uses says whether any text of the check holds a placeholder.
func (c *check) uses(placeholder string) bool {
	return slices.ContainsFunc(c.texts, func(t *text) bool { return slices.Contains(t.names(), placeholder) })
}

// perMember says whether the check is made for each member, not once for the pool.
func (c *check) perMember() bool { return c.uses(placeholderAddress) }

// check reads a [checks.NAME] table.
func (l *loader) check(name string, raw rawTable) {
	c := &check{name: name, at: problem.Top("checks").Key(name)}
	l.checks[name] = c
	l.word(c.at, name)

	kind, isString := raw["type"].(string)
	if !isString {
		// Which other keys there may be depends on the type, so that it alone is at fault, or
		// a slip in its own key.
		maps.DeleteFunc(raw, func(key string, _ any) bool { return nearest(key, []string{"type"}) == "" })
		l.decoder.table(c.at, raw, new(rawCheck), "")
		return
	}
	read, known := kinds[kind]
	if !known {
		l.Add(c.at.Key("type"), "found %q; %s", kind, meant(kind, sortedKeys(kinds)))
		return
	}
	if common := read(l, c, raw); common != nil {
		l.schedule(c, common)
	}
}

// kinds is what reads a check of each type. It returns nil if the check is not made on a schedule of its own.
var kinds = map[string]func(*loader, *check, rawTable) *rawCheck{
	"http":       kindOf((*loader).httpCheck),
	"tcp":        kindOf((*loader).tcpCheck),
	"tls":        kindOf((*loader).tlsCheck),
	"dynamodb":   kindOf((*loader).dynamoDBCheck),
	"dns":        kindOf((*loader).dnsCheck),
	"grpc":       kindOf((*loader).grpcCheck),
	"haproxy":    kindOf((*loader).haproxyCheck),
	"prometheus": kindOf((*loader).prometheusCheck),
	"exec":       kindOf((*loader).execCheck),

	"push": pushCheck,

	health.All:     calculatedCheck(health.All),
	health.Any:     calculatedCheck(health.Any),
	health.AtLeast: calculatedCheck(health.AtLeast),
	health.Not:     calculatedCheck(health.Not),
}

// kindOf makes what reads a check of a type from what reads the keys that are particular to it.
func kindOf[R any, P interface {
	*R
	common() *rawCheck
}](particular func(*loader, *check, P)) func(*loader, *check, rawTable) *rawCheck {
	return func(l *loader, c *check, table rawTable) *rawCheck {
		raw := P(new(R))
		l.decoder.table(c.at, table, raw, fmt.Sprintf(" for a check of type %q", table["type"]))
		particular(l, c, raw)
		return raw.common()
	}
}

// schedule reads how often a check is made and how it is judged.
func (l *loader) schedule(c *check, raw *rawCheck) {
	interval := raw.Interval.Duration
	fast := min(defaultFastInterval, interval)
	timeout := defaultTimeout
	if timeout >= interval {
		timeout = interval / 2
	}

	if l.durationWithin(c.at.Key("interval"), raw.Interval, minInterval, maxInterval) {
		if raw.FastInterval != nil {
			fast = raw.FastInterval.Duration
			l.durationWithin(c.at.Key("fast_interval"), *raw.FastInterval, minTimeout, interval)
		}
		if raw.Timeout != nil {
			timeout = raw.Timeout.Duration
			if timeout < minTimeout || timeout >= interval {
				l.Add(c.at.Key("timeout"), "found %s; expected at least %s, and less than the interval, %s",
					raw.Timeout, short(minTimeout), raw.Interval.plain())
			}
		}
	}
	c.schedule = health.Target{
		Check:        c.name,
		Interval:     interval,
		FastInterval: fast,
		Timeout:      timeout,
		Rise:         l.within(c.at.Key("rise"), raw.Rise, 1, maxCount),
		Fall:         l.within(c.at.Key("fall"), raw.Fall, 1, maxCount),
		Flap:         l.flap(c.at.Key("flap"), raw.Flap),
		Feedback:     c.feedback,
		Slow:         l.slow(c, raw, timeout),
	}
}

// slow reads from when on a pass is slow, and whether it is a fail then.
func (l *loader) slow(c *check, raw *rawCheck, timeout time.Duration) health.Slow {
	switch at := c.at.Key("slow"); {
	case raw.Slow == nil && raw.SlowFails:
		l.Add(c.at.Key("slow_fails"), "no probe is slow without slow; set that, or remove this")
		return health.Slow{}
	case raw.Slow == nil:
		return health.Slow{}
	case raw.Slow.Duration <= 0 || raw.Slow.Duration >= timeout:
		l.Add(at, "found %s; expected more than 0s, and less than the timeout, %s", raw.Slow, short(timeout))
	}
	return health.Slow{After: raw.Slow.Duration, Fails: raw.SlowFails}
}

// flap reads which share of how many probes turns a target down.
func (l *loader) flap(at *problem.Place, text *string) health.Flap {
	if text == nil {
		return health.Flap{}
	}
	share, probes, _ := strings.Cut(*text, "/")
	percent, ok := percentage(share)
	of, err := strconv.ParseUint(probes, 10, 8)
	if !ok || err != nil || percent < 1 || of < 2 || of > health.MaxFlap {
		l.Add(at, `found %q; expected a share of the last probes, from 2 to %d of them, such as "40%%/20"`, *text, health.MaxFlap)
	}
	return health.Flap{Percent: percent, Of: int(of)}
}

// pattern compiles a regular expression that an answer must match. Placeholders are not filled in,
// since braces have a meaning of their own here.
func (l *loader) pattern(at *problem.Place, expr *string) *regexp.Regexp {
	if expr == nil {
		return nil
	}
	if *expr == "" {
		l.Add(at, `found ""; expected a pattern, since an empty one matches everything`)
		return nil
	}
	re, err := regexp.Compile(*expr)
	if err != nil {
		l.Add(at, "found %q; expected a regular expression in Go's syntax: %v", *expr, err)
	}
	return re
}
