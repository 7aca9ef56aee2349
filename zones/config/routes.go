package config

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gslb/geo"
	"gslb/zones"
	"gslb/zones/problem"
)

// inquiry is a question about clients, and what is steered by its answer.
type inquiry struct {
	geo.Question
	by []*steering
}

// maxPlaces is in how many places of all routes a pool may stand. Each takes some hundred bytes while it
// serves. Without views or locations there are no more, since there are no more values (maxValues).
const maxPlaces = 10_000_000

// allRoutes makes the routes of everything that is steered. The databases are read once, for all
// of it.
func (l *loader) allRoutes() {
	if l.unreadable {
		return // nothing can be said of what is not known
	}
	inquiries := l.inquiries()
	questions := make([]geo.Question, len(inquiries))
	for i, q := range inquiries {
		questions[i] = q.Question
	}
	maps, databases, err := l.databases.library.Load(context.Background(), l.sources, questions)
	if err != nil {
		l.unanswered(inquiries, err)
		return
	}
	l.set.Databases = databases
	knows := geo.Together(databases)
	for i, q := range inquiries {
		l.judgeViews(q, maps[i].Classes(), knows)
		for _, n := range q.by {
			n.Map = maps[i]
		}
	}
	places := 0
	router := router{point: make([]int, len(l.set.Pools)), taken: make([]bool, len(l.set.Pools))}
	for _, n := range l.routed {
		classes := []geo.Class{{}}
		if n.Map != nil {
			classes = n.Map.Classes()
		}
		router.begin(n)
		n.Routes = make([]*zones.Route, len(classes))
		for i, class := range classes {
			r := router.route(class)
			r.Index = len(l.set.Routes)
			l.set.Routes = append(l.set.Routes, r)
			n.Routes[i] = r
			for t := range r.Tiers {
				places += len(r.Tiers[t].Shares)
			}
			if places > maxPlaces {
				l.Add(n.at, "with it, pools stand in more than %d places of routes: its views and the locations of its pools put clients into %d classes, each with a route; use fewer of them, or fewer names that differ in how they are steered", maxPlaces, len(classes))
				return
			}
		}
		l.allTogether(n)
	}
}

// inquiries collects the questions, each once: those with the same views, and with pools at the same
// places, are the same.
func (l *loader) inquiries() []*inquiry {
	var list []*inquiry
	known := make(map[string]*inquiry)
	var key []byte
	for _, n := range l.routed {
		if n.fixed && len(n.points) == 0 {
			continue // all clients are one class
		}
		key = key[:0]
		if !n.fixed {
			for i := range n.views {
				key = append(append(key, n.views[i].name...), ' ')
			}
		}
		for _, p := range n.points {
			key = fmt.Appendf(key, "%v ", p)
		}
		q := known[string(key)]
		if q == nil {
			q = &inquiry{Question: geo.Question{Points: n.points}}
			if !n.fixed {
				for i := range n.views {
					q.Views = append(q.Views, n.views[i].View)
				}
			}
			known[string(key)] = q
			list = append(list, q)
		}
		q.by = append(q.by, n)
		l.located = l.located || len(q.Points) > 0 || slices.ContainsFunc(q.Views, isByDatabase)
	}
	return list
}

// isByDatabase reports whether it takes a database to tell whether a client is in a view.
func isByDatabase(v geo.View) bool { return v.Kind() != geo.Prefix && v.Kind() != geo.Default }

// unanswered reports why the questions could not be answered.
func (l *loader) unanswered(inquiries []*inquiry, err error) {
	if !errors.Is(err, geo.ErrClasses) {
		list := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			list = joined.Unwrap()
		}
		for _, err := range list {
			l.Add(problem.Top("server").Key("geoip"), "%v", err)
		}
		return
	}
	worst := slices.MaxFunc(inquiries, func(a, b *inquiry) int { return cmp.Compare(len(a.Points), len(b.Points)) })
	l.Add(worst.by[0].at, "%v", err)
}

// judgeViews reports views that no client can be in, and fences without an effect.
func (l *loader) judgeViews(q *inquiry, classes []geo.Class, knows geo.Attributes) {
	matched, followed := make([]bool, len(q.Views)), make([]bool, len(q.Views)) // by a client, by a wider view
	for _, class := range classes {
		for at, view := range class.Views {
			matched[view] = true
			followed[view] = followed[view] || at < len(class.Views)-1
		}
	}
	for _, n := range q.by {
		if len(n.points) > 0 && !knows.Location {
			l.Add(n.at.Key("policy"), "%s", l.expectedDatabase(`found "nearest"`, "location"))
		}
		for i := range q.Views {
			v := &n.views[i]
			switch {
			case !knows.CanTell(v.View):
				l.Add(v.at, "%s", l.expectedDatabase("found a view by "+attribute(v.Kind()), attribute(v.Kind())))
			case !matched[i]:
				report := l.Report
				if l.options.Serving {
					report = &l.warnings
				}
				report.Add(v.at, "no client can match: the databases (%s) have no network of %s; correct it, or remove it", l.databaseNames(), v.name)
			case v.fenced && !followed[i]:
				l.warnings.Add(n.at.Key("fence"), "%q has no effect, since no wider view of the name matches the same clients; remove it", v.name)
			}
		}
	}
}

// attribute is the word for what a view goes by.
func attribute(kind geo.Kind) string {
	switch kind {
	case geo.ASN:
		return "autonomous system"
	case geo.Subdivision:
		return "subdivision"
	case geo.Country:
		return "country"
	default:
		return "continent"
	}
}

// expectedDatabase says that no database knows an attribute of clients.
func (l *loader) expectedDatabase(found, attribute string) string {
	if len(l.sources) == 0 {
		return found + ", but there is no database; expected one in server.geoip that knows the " + attribute + " of clients"
	}
	return fmt.Sprintf("%s, but no database (%s) knows the %s of any client; expected one in server.geoip that does", found, l.databaseNames(), attribute)
}

func (l *loader) databaseNames() string {
	names := make([]string, len(l.sources))
	for i := range l.sources {
		names[i] = l.sources[i].Name
	}
	return strings.Join(names, ", ")
}

// allTogether reports a CNAME that would be answered together with something else when all pools are
// down.
func (l *loader) allTogether(n *steering) {
	if n.WhenAllDown != zones.AnswerAll {
		return
	}
	reported := make(map[*zones.Pool]bool)
	for _, r := range n.Routes {
		pools := 0
		var alias *zones.Pool
		for t := range r.Tiers {
			for _, share := range r.Tiers[t].Shares {
				pools++
				if share.Pool.CNAME != "" {
					alias = share.Pool
				}
			}
		}
		if alias != nil && pools > 1 && !reported[alias] {
			reported[alias] = true
			l.Add(n.at.Key("when_all_down"), `found "all", but pool %q is answered as a CNAME, which must stand alone (RFC 1034, section 3.6.2); expected another value`, alias.Name)
		}
	}
}

// router makes the routes of one steering after the other, each of which may have thousands.
type router struct {
	*steering
	digest [sha256.Size]byte // of Key, which is long if there are many views
	labels []string          // by point: where it is
	rank   []int             // by point: how many are nearer to the class at hand
	point  []int             // by Pool.Index: that of its location
	taken  []bool            // by Pool.Index: it stands in the route at hand
}

// begin turns to another steering.
func (r *router) begin(n *steering) {
	r.steering, r.digest = n, sha256.Sum256([]byte(n.Key))
	r.labels, r.rank = r.labels[:0], r.rank[:0]
	for _, p := range n.points {
		r.labels, r.rank = append(r.labels, fmt.Sprintf(" %v", p)), append(r.rank, 0)
	}
	for _, p := range n.Pools {
		if len(n.points) > 0 {
			r.point[p.Index] = slices.Index(n.points, *p.Location)
		}
	}
}

// route makes the route of one class: the tiers of all views that its clients are in. A pool counts
// where it stands first.
func (r *router) route(class geo.Class) *zones.Route {
	route := &zones.Route{Key: r.Key, Steering: r.Steering}
	chain := class.Views
	if r.fixed {
		chain = []int{0}
	}
	for i, point := range class.Order {
		r.rank[point] = i
	}
	for _, p := range r.Pools {
		r.taken[p.Index] = false
	}
	ended := false
	for _, i := range chain {
		v := &r.views[i]
		if !r.fixed {
			route.Views = append(route.Views, v.name)
		}
		for t := range v.tiers {
			if tier := r.tier(v, t, class); !ended && len(tier.Shares) > 0 {
				route.Tiers = append(route.Tiers, tier)
			}
		}
		ended = ended || v.fenced
	}
	route.Order = orderOf(route.Tiers)
	if r.Map != nil {
		route.Key = r.routeKey(class)
	}
	return route
}

// tier is what a tier of a view adds to the route at hand.
func (r *router) tier(v *view, t int, class geo.Class) zones.Tier {
	tier := zones.Tier{View: v.name, Shares: make([]zones.Share, 0, len(v.tiers[t].shares))}
	for _, share := range v.tiers[t].shares {
		if !r.taken[share.Pool.Index] {
			r.taken[share.Pool.Index] = true
			tier.Shares = append(tier.Shares, share)
		}
	}
	if len(class.Order) > 0 && len(tier.Shares) > 1 {
		slices.SortStableFunc(tier.Shares, func(a, b zones.Share) int {
			return cmp.Compare(r.rank[r.point[a.Pool.Index]], r.rank[r.point[b.Pool.Index]])
		})
	}
	return tier
}

// routeKey is the Route.Key of one class of several: there may be thousands, so that it is short.
func (r *router) routeKey(class geo.Class) string {
	text := slices.Clone(r.digest[:])
	for _, i := range class.Views {
		text = append(append(text, ' '), r.views[i].name...)
	}
	for _, i := range class.Order {
		text = append(text, r.labels[i]...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// orderOf is the Route.Order of tiers. The names of pools hold no comma, bar or space.
func orderOf(tiers []zones.Tier) string {
	var b strings.Builder
	for t := range tiers {
		if t > 0 {
			b.WriteByte('|')
		}
		for i, share := range tiers[t].Shares {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(share.Pool.Name)
		}
	}
	return b.String()
}
