package gdnsd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"gslb/geo"
	"gslb/internal/files"
)

// maxDatabase is the limit of the size of a database in MaxMind's format, in octets.
const maxDatabase = 2 << 30

// dropUnmatched drops the lists that no client has: the database of the map knows no network of their
// place, or nothing of such places. gslb refuses such views, since they are usually slips.
func (g *geoMap) dropUnmatched() {
	question := geo.Question{}
	for _, l := range g.lists {
		if l.view == "" {
			continue
		}
		view, err := geo.ParseView(l.view)
		if err != nil {
			g.lose("%s is left out: %v", l.view, err)
			continue
		}
		question.Views = append(question.Views, view)
	}
	known, err := g.matched(question)
	if err != nil {
		g.lose("its views are kept without a look at whether its database knows of them: %v", err)
		for _, view := range question.Views {
			known[view.String()] = true
		}
	}
	var dropped []string
	g.lists = slices.DeleteFunc(g.lists, func(l geoList) bool {
		drop := l.view != "" && !known[l.view]
		if drop {
			dropped = append(dropped, l.view)
		}
		return drop
	})
	if len(dropped) > 0 {
		g.lose("its database has no network of %s, which %s left out", strings.Join(dropped, ", "), map[bool]string{true: "is", false: "are"}[len(dropped) == 1])
	}
}

// matched returns the views that a client can be in.
func (g *geoMap) matched(question geo.Question) (map[string]bool, error) {
	known := make(map[string]bool)
	var sources []geo.Source
	if g.database != "" {
		content, err := files.Read(g.database, maxDatabase)
		if err != nil {
			return known, err
		}
		sum := sha256.Sum256(content)
		sources = []geo.Source{{
			Name: g.database, Digest: hex.EncodeToString(sum[:]), Read: func() ([]byte, error) { return content, nil },
		}}
	}
	maps, _, err := new(geo.Library).Load(context.Background(), sources, []geo.Question{question})
	if err != nil {
		return known, err
	}
	for _, class := range maps[0].Classes() {
		for _, i := range class.Views {
			known[question.Views[i].String()] = true
		}
	}
	return known, nil
}
