package geo

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"gslb/geo/geotest"
)

// file is a database made from a table, see geotest.Parse.
func file(t testing.TB, name, table string) Source {
	t.Helper()
	data, err := geotest.Parse("Test", table)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: name, Digest: fmt.Sprintf("%x", sha256.Sum256(data)), Read: func() ([]byte, error) { return data, nil }}
}

// views reads several views.
func views(t testing.TB, words ...string) []View {
	t.Helper()
	var views []View
	for _, word := range words {
		v, err := ParseView(word)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, v)
	}
	return views
}

// load makes the map for one question.
func load(t testing.TB, q Question, files ...Source) *Map {
	t.Helper()
	var l Library
	maps, _, err := l.Load(context.Background(), files, []Question{q})
	if err != nil {
		t.Fatal(err)
	}
	return maps[0]
}

// names is the views of a class in words.
func names(q Question, c Class) string {
	var words []string
	for _, place := range c.Views {
		words = append(words, q.Views[place].String())
	}
	return strings.Join(words, " ")
}

func addr(t testing.TB, s string) netip.Addr {
	t.Helper()
	a, err := netip.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
