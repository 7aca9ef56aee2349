package config

import (
	"errors"
	"slices"
	"time"

	"gslb/health"
	"gslb/replication"
	"gslb/zones/problem"
)

// Limits of the [replication.NAME] tables.
const (
	maxRegions = 16 // a read of all others is one call, and the ways between them are many
	maxMaxLag  = 24 * time.Hour

	defaultMaxLag = 30 * time.Second
)

// group is a [replication.NAME] table.
type group struct {
	*replication.Group
	at         *problem.Place
	onDegraded string
	used       bool // by a pool
}

// heartbeatCheck is the name of the check that the heartbeats of a group are, as targets have it. No check of
// the configuration can have it.
func heartbeatCheck(group string) string { return "heartbeat." + group }

// replication reads a [replication.NAME] table, and has a heartbeat made of each of its regions.
func (l *loader) replication(name string, raw rawReplication) {
	g := &group{Group: &replication.Group{Name: name, Interval: raw.Interval.Duration}, at: problem.Top("replication").Key(name)}
	l.groups[name] = g
	l.word(g.at, name)
	before := l.Len()
	if raw.Table != nil {
		if g.Table = *raw.Table; validTable(g.Table) != nil {
			l.Add(g.at.Key("table"), "%v", validTable(g.Table))
		}
	}
	l.heartbeatKey(g, raw.Key)
	l.groupRegions(g, raw.Regions)
	l.groupEndpoints(g, raw.Endpoint)
	g.DualStack, g.FIPS = raw.DualStack, raw.FIPS
	l.namesBeside(g.at, raw.Endpoint != nil, raw.DualStack, raw.FIPS)
	l.writer(g, raw.Writer)
	g.onDegraded = l.onDegraded(g.at, &raw.OnDegraded)

	l.hooks(g, &raw)
	schedule := l.heartbeats(g, &raw)
	if l.Len() > before || raw.Table == nil || raw.Key == nil || raw.Regions == nil {
		return
	}
	l.set.Replications = append(l.set.Replications, g.Group)
	for _, region := range g.Regions {
		target := schedule
		target.Subject, target.Spec = region, g.Heartbeat(region)
		target.Fingerprint = fingerprint(target.Spec, "", target.Slow)
		l.targets.add(target, "", new([]health.TargetID))
	}
}

// heartbeats reads when heartbeats are made.
func (l *loader) heartbeats(g *group, raw *rawReplication) health.Target {
	timeout := min(defaultTimeout, g.Interval/2)
	if l.durationWithin(g.at.Key("interval"), raw.Interval, minInterval, maxInterval) {
		if raw.Timeout != nil {
			if timeout = raw.Timeout.Duration; timeout < minTimeout || timeout >= g.Interval {
				l.Add(g.at.Key("timeout"), "found %s; expected at least %s, and less than the interval, %s", raw.Timeout, short(minTimeout), raw.Interval.plain())
			}
		}
		g.MaxLag = max(defaultMaxLag, 3*g.Interval)
		if raw.MaxLag != nil {
			g.MaxLag = raw.MaxLag.Duration
		}
		if g.MaxLag < 2*g.Interval || g.MaxLag > maxMaxLag {
			l.Add(g.at.Key("max_lag"), "found %s; expected at least twice the interval, %s, since a shorter lag cannot be measured, and at most %s", raw.MaxLag, raw.Interval.plain(), short(maxMaxLag))
		}
	}
	// A heartbeat costs money: none is made sooner because another has failed.
	return health.Target{Check: heartbeatCheck(g.Name), Interval: g.Interval, FastInterval: g.Interval, Timeout: timeout, Rise: 1, Fall: 3, Aside: true}
}

// heartbeatKey reads what the keys of all heartbeats have in common.
func (l *loader) heartbeatKey(g *group, raw map[string]any) {
	c := &check{at: g.at}
	isString := false
	key := l.dynamoDBKey(c, raw)
	for _, t := range c.texts {
		if len(t.names()) > 0 {
			l.Add(t.at, "found {%s}; expected no placeholder, the region and the writer are added by themselves", t.names()[0])
			return
		}
	}
	g.Key = make(map[string]health.KeyAttribute, len(key))
	f := &filling{values: make(map[string]string)}
	for name, a := range key {
		if a.value != nil {
			g.Key[name] = health.KeyAttribute{Value: f.fill(a.value), Number: a.number}
		}
		isString = isString || !a.number
	}
	if len(key) > 0 && !isString {
		l.Add(g.at.Key("key"), "found numbers only; expected a string among them, which the region and the writer are added to")
	}
}

// groupRegions reads where the table is.
func (l *loader) groupRegions(g *group, list []string) {
	at := g.at.Key("regions")
	if list != nil && (len(list) < 2 || len(list) > maxRegions) {
		l.Add(at, "found a list of %d; expected from 2 to %d regions", len(list), maxRegions)
	}
	g.Regions = distinct(l, at, list, func(at *problem.Place, region string) (string, bool) {
		err := validRegion(region)
		if err != nil {
			l.Add(at, "%v", err)
		}
		return region, err == nil
	})
	slices.Sort(g.Regions)
}

// groupEndpoints reads where the table is reached in each region: by one URL, in which {region} is filled in,
// or by one for each region.
func (l *loader) groupEndpoints(g *group, raw any) {
	at := g.at.Key("endpoint")
	if raw != nil {
		g.Endpoints = make(map[string]string)
	}
	fill := func(at *problem.Place, endpoint, region string) bool {
		before := l.Len()
		t := l.text(&check{at: g.at}, at, endpoint, inAuthority, readEndpoint)
		for _, name := range t.names() {
			if name != placeholderRegion {
				l.Add(at, "found {%s}; expected {region}, or no placeholder", name)
				return false
			}
		}
		f := &filling{values: map[string]string{placeholderRegion: region}}
		if g.Endpoints[region] = f.fill(t); f.err != nil && l.Len() == before {
			l.Add(at, "%v", errors.Unwrap(f.err))
		}
		return l.Len() == before
	}
	switch v := raw.(type) {
	case nil: // each region's own
	case string:
		for _, region := range g.Regions {
			if !fill(at, v, region) {
				break
			}
		}
	case map[string]any:
		for _, region := range sortedKeys(v) {
			endpoint, isString := v[region].(string)
			switch {
			case !slices.Contains(g.Regions, region):
				l.Add(at.Key(region), "the table has no region %q; %s", region, meant(region, g.Regions))
			case !isString:
				l.Add(at.Key(region), "found %s; expected a base URL", describe(v[region]))
			default:
				fill(at.Key(region), endpoint, region)
			}
		}
	default:
		l.Add(at, "found %s; expected a base URL with {region} in it, or a table with one for each region", describe(v))
	}
}

// writer reads the name under which this server writes heartbeats.
func (l *loader) writer(g *group, raw *string) {
	at := g.at.Key("writer")
	switch {
	case raw != nil:
		if g.Writer = *raw; len(g.Writer) == 0 || len(g.Writer) > 255 {
			l.Add(at, "found %d bytes; expected from 1 to 255, or no such key", len(g.Writer))
		}
	default:
		if g.Writer = l.serverName(); g.Writer == "" {
			l.Add(at, "missing, and this host has no name; expected a name that no other server has which writes heartbeats into the table")
		}
	}
}

// onDegraded reads what becomes of a pool whose copy is degraded; "" where nothing is said.
func (l *loader) onDegraded(at *problem.Place, raw *string) string {
	if raw == nil {
		return ""
	}
	if *raw != onDegradedServe && *raw != onDegradedDown {
		l.Add(at.Key("on_degraded"), "found %q; %s", *raw, meant(*raw, []string{onDegradedServe, onDegradedDown}))
	}
	return *raw
}

// What becomes of a pool whose copy is degraded.
const (
	onDegradedServe = "serve"
	onDegradedDown  = "down"
)

// copyOf reads which copy is a pool's data.
func (l *loader) copyOf(p *pool, raw *rawPool) {
	at := p.at.Key("replication")
	onDegraded := l.onDegraded(p.at, raw.OnDegraded)
	if raw.Replication == nil {
		if raw.OnDegraded != nil {
			l.Add(p.at.Key("on_degraded"), "says what becomes of the pool while its copy is degraded, but replication is not set; set it, or remove this")
		}
		return
	}
	g := l.groups[*raw.Replication]
	if g == nil {
		l.Add(at, "there is no [replication.%s]; %s", *raw.Replication, meantKey(*raw.Replication, l.groups))
		return
	}
	g.used = true
	switch {
	case raw.Region == nil:
		l.Add(p.at.Key("region"), "missing; replication says that the copy of the pool's region is its data")
	case len(g.Regions) > 0 && !slices.Contains(g.Regions, *raw.Region):
		l.Add(at, "the pool's region, %q, is not one of [replication.%s]; %s", *raw.Region, g.Name, meant(*raw.Region, g.Regions))
	}
	if onDegraded == "" {
		onDegraded = g.onDegraded
	}
	p.Replication, p.DownDegraded = g.Group, onDegraded == onDegradedDown
}
