package config

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"gslb/geo"
	"gslb/zones"
	"gslb/zones/problem"
)

// allRoutes makes the routes of all names. The databases are read once, for all of them.
func (l *loader) allRoutes() {
	questions := make([]geo.Question, 0, len(l.routed))
	var asked []geo.Question
	var asking []*steering
	for _, n := range l.routed {
		q := n.question()
		questions = append(questions, q)
		if len(q.Views)+len(q.Points) > 0 {
			asked, asking = append(asked, q), append(asking, n)
		}
	}
	maps, _, err := l.databases.library.Load(context.Background(), l.sources, asked)
	if err != nil {
		l.Add(problem.Top("server").Key("geoip"), "%v", err)
		return
	}
	for i, n := range asking {
		n.Map = maps[i]
	}
	for i, n := range l.routed {
		l.addRoutes(n, &questions[i])
	}
}

// question asks which of the views a client is in and, with policy nearest, how far it is from the
// pools. Names with the same views, and pools at the same places, ask the same.
func (n *steering) question() geo.Question {
	var q geo.Question
	if !n.fixed {
		for i := range n.views {
			q.Views = append(q.Views, n.views[i].View)
		}
	}
	if n.Policy == zones.Nearest {
		for _, p := range n.Pools {
			if p.Location != nil && !slices.Contains(q.Points, *p.Location) {
				q.Points = append(q.Points, *p.Location)
			}
		}
	}
	return q
}

// addRoutes makes the routes of a steering, by class of its map.
func (l *loader) addRoutes(n *steering, q *geo.Question) {
	classes := []geo.Class{{}}
	if n.Map != nil {
		classes = n.Map.Classes()
	}
	n.Routes = make([]*zones.Route, len(classes))
	for i, class := range classes {
		r := n.route(class, q.Points)
		r.Index = len(l.set.Routes)
		l.set.Routes = append(l.set.Routes, r)
		n.Routes[i] = r
	}
}

// route makes the route of one class: the tiers of all views that its clients are in. A pool counts
// where it stands first.
func (n *steering) route(class geo.Class, points []geo.Point) *zones.Route {
	r := &zones.Route{Key: n.Key, Steering: n.Steering}
	chain := class.Views
	if n.fixed {
		chain = []int{0}
	}
	distances := make(map[geo.Point]int, len(class.Order)) // the place of each point by its distance
	for i, place := range class.Order {
		distances[points[place]] = i
	}
	taken := make(map[*zones.Pool]bool, len(n.Pools))
	ended := false
	for _, i := range chain {
		v := &n.views[i]
		if !n.fixed {
			r.Views = append(r.Views, v.name)
		}
		if ended {
			continue
		}
		for t := range v.tiers {
			tier := zones.Tier{View: v.name}
			for _, share := range v.tiers[t].shares {
				if !taken[share.Pool] {
					taken[share.Pool] = true
					tier.Shares = append(tier.Shares, share)
				}
			}
			if len(class.Order) > 0 {
				slices.SortStableFunc(tier.Shares, func(a, b zones.Share) int {
					return cmp.Compare(distances[*a.Pool.Location], distances[*b.Pool.Location])
				})
			}
			if len(tier.Shares) > 0 {
				r.Tiers = append(r.Tiers, tier)
			}
		}
		ended = v.fenced
	}
	r.Order = orderOf(r.Tiers)
	if n.Map != nil {
		r.Key = n.routeKey(class, points)
	}
	return r
}

// routeKey is the Route.Key of one class of several: there may be thousands, so that it is short.
func (n *steering) routeKey(class geo.Class, points []geo.Point) string {
	h := sha256.New()
	h.Write([]byte(n.Key))
	for _, i := range class.Views {
		h.Write([]byte(" " + n.views[i].name))
	}
	for _, i := range class.Order {
		fmt.Fprintf(h, " %v", points[i])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
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
