package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gslb/health"
	"gslb/zones"
	"gslb/zones/problem"
)

// The largest numbers that are taken from a check.
const (
	maxToldWeight = 1000
	maxToldLoad   = 1e9
)

// feedback reads where a check finds a number beside its verdict, and what that is for. sources are those that
// the check's type has. After one that ends in a colon comes a name.
func (l *loader) feedback(c *check, raw *rawLoad, sources ...string) health.LoadFrom {
	at := c.at.Key("weight_from")
	if raw.Shed != nil {
		c.feedback, c.shed = health.LoadFeedback, l.shed(c.at.Key("shed"), raw.Shed)
	}
	switch {
	case raw.WeightFrom != nil:
	case raw.Shed != nil:
		l.Add(at, "missing; expected where the load is found that shed goes by: %s", meantSources(sources))
		return health.LoadFrom{}
	default:
		return health.LoadFrom{}
	}
	from := health.LoadFrom{Most: maxToldLoad}
	if raw.Shed == nil {
		c.feedback, from.Most = health.WeightFeedback, maxToldWeight
	}
	source, name, named := strings.Cut(*raw.WeightFrom, ":")
	from.Source, from.Name = source, name
	if named {
		source += ":"
	}
	if !slices.Contains(sources, source) || named && name == "" {
		l.Add(at, "found %q; expected %s", *raw.WeightFrom, meantSources(sources))
		return health.LoadFrom{}
	}
	return from
}

// meantSources lists what weight_from may be.
func meantSources(sources []string) string {
	samples := map[string]string{"header:": "header:X-Load", "json:": "json:load"}
	words := make([]string, len(sources))
	for i, source := range sources {
		if samples[source] != "" {
			source = samples[source]
		}
		words[i] = fmt.Sprintf("%q", source)
	}
	return strings.Join(words, " or ")
}

// shed reads the watermarks between which a pool gives up its clients.
func (l *loader) shed(at *problem.Place, raw *rawShed) *zones.Shed {
	from, fromPercent, ok := l.watermark(at.Key("from"), raw.From, `a load such as "70%", or 700`)
	to, toPercent, okTo := l.watermark(at.Key("to"), raw.To, `a load such as "95%", or 950`)
	switch {
	case !ok || !okTo:
	case fromPercent != toPercent:
		l.Add(at.Key("to"), "found %s; expected both as percentages, or none", describe(raw.To))
	case to <= from:
		l.Add(at.Key("to"), "found %s; expected more than from, %s", describe(raw.To), describe(raw.From))
	}
	return &zones.Shed{From: from, To: to, Percent: fromPercent}
}

// watermark reads a load: a number in the target's own unit, or a percentage.
func (l *loader) watermark(at *problem.Place, raw any, expected string) (load float64, percent, ok bool) {
	switch v := raw.(type) {
	case nil:
		l.Add(at, "missing; expected %s", expected)
		return 0, false, false
	case int64:
		load, ok = float64(v), true
	case float64:
		load, ok = v, true
	case string:
		var digits string
		var err error
		digits, percent = strings.CutSuffix(v, "%")
		load, err = strconv.ParseFloat(digits, 64)
		ok = percent && err == nil
	}
	if ok = ok && load >= 0 && load <= maxToldLoad; !ok {
		l.Add(at, "found %s; expected %s", describe(raw), expected)
	}
	return load, percent, ok
}

// feedbackOf has a check say the weight or the load of a pool. Only one may say each.
func (l *loader) feedbackOf(p *pool, at *problem.Place, c *check) {
	by, what := &p.weightBy, "weight"
	switch c.feedback {
	case health.NoFeedback:
		return
	case health.LoadFeedback:
		by, what = &p.loadBy, "load"
		if c.shed != nil {
			shed := *c.shed
			shed.Settles = c.schedule.LoadSettles()
			p.Shed = &shed
		}
	}
	if *by != "" {
		l.Add(at, "check %q says the %s of the pool, and so does %q; expected one of them", c.name, what, *by)
		return
	}
	*by = c.name
}
