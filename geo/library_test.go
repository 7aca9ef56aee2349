package geo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// counted is a source that counts how often it is read.
func counted(s Source, count *int) Source {
	read := s.Read
	s.Read = func() ([]byte, error) {
		*count++
		return read()
	}
	return s
}

func TestLibrary(t *testing.T) {
	reads := 0
	city := counted(file(t, "City.mmdb", world), &reads)
	other := counted(file(t, "City.mmdb", "2.0.0.0/8 country=FR"), &reads)
	us, fr := Question{Views: views(t, "country:US", "default")}, Question{Views: views(t, "country:FR", "default")}
	var l Library
	load := func(want int, s Source, questions ...Question) []*Map {
		t.Helper()
		reads = 0
		maps, databases, err := l.Load(context.Background(), []Source{s}, questions)
		if err != nil {
			t.Fatal(err)
		}
		if len(maps) != len(questions) {
			t.Errorf("%d maps for %d questions", len(maps), len(questions))
		}
		if len(databases) != 1 || !databases[0].Knows.Country || databases[0].Name != s.Name || databases[0].Built.Unix() != 1_700_000_000 {
			t.Errorf("databases %+v", databases)
		}
		if reads != want {
			t.Errorf("the database was read %d times; want %d", reads, want)
		}
		return maps
	}
	first := load(1, city, us, fr, us)
	if first[0] != first[2] || first[0] == first[1] {
		t.Error("equal questions share a map, others do not")
	}
	if again := load(0, city, fr, us); again[0] != first[1] || again[1] != first[0] {
		t.Error("the maps of the load before are not kept")
	}
	if again := load(1, city, us, Question{Views: views(t, "country:DE", "default")}); again[0] != first[0] {
		t.Error("the map of a question that was asked is made again for another one")
	}
	networks := Question{Views: views(t, "192.0.2.0/24", "default")}
	if again := load(0, city, us, networks); names(networks, again[1].Classes()[1]) != "192.0.2.0/24 default" {
		t.Errorf("%v", again[1].Classes())
	}
	load(1, city, fr) // had been dropped
	// A load that fails changes nothing.
	broken := Source{Name: "gone.mmdb", Digest: "gone", Read: func() ([]byte, error) { return nil, os.ErrNotExist }}
	if _, _, err := l.Load(context.Background(), []Source{broken}, []Question{us}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "gone.mmdb") {
		t.Errorf("%v; want an error that names the file", err)
	}
	load(0, city, fr)
	// Another database is another answer.
	if changed := load(1, other, fr); names(fr, changed[0].Classes()[1]) != "country:FR default" {
		t.Errorf("%v", changed[0].Classes())
	}
	load(1, city, fr)
}

// What it costs to answer for networks alone grows with them, not with the square of their number: each
// name may have networks of its own.
func TestLoadOfManyNetworks(t *testing.T) {
	const many, most = 5000, 16 << 10 // questions, and bytes of memory for each
	questions := make([]Question, many)
	for i := range questions {
		questions[i].Views = views(t, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255), "default")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var l Library
	maps, _, err := l.Load(context.Background(), []Source{file(t, "City.mmdb", world)}, questions)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) / many; took > most {
		t.Errorf("%d bytes were needed for each question; want at most %d", took, most)
	}
	for i, q := range questions {
		inside := q.Views[0].prefix.Addr()
		if class, bits := maps[i].Find(inside); names(q, maps[i].Classes()[class]) != q.Views[0].String()+" default" || bits != 24 {
			t.Fatalf("%s is in class %d of %v, with %d bits", inside, class, maps[i].Classes(), bits)
		}
	}
}

// Every database that can't be used is named.
func TestLoadNamesAll(t *testing.T) {
	var l Library
	junk := func(name string) Source {
		return Source{Name: name, Digest: name, Read: func() ([]byte, error) { return []byte("junk"), nil }}
	}
	_, _, err := l.Load(context.Background(), []Source{junk("one.mmdb"), junk("two.mmdb")}, nil)
	if err == nil || !strings.Contains(err.Error(), "one.mmdb") || !strings.Contains(err.Error(), "two.mmdb") {
		t.Errorf("%v; want both files", err)
	}
}

func TestLoadRefusesQuestions(t *testing.T) {
	for name, q := range map[string]Question{
		"a view twice":           {Views: views(t, "country:US", "country:US")},
		"a view of no kind":      {Views: []View{{}}},
		"a point that is no one": {Points: []Point{{91, 0}}},
	} {
		var l Library
		if _, _, err := l.Load(context.Background(), nil, []Question{q}); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestLoadEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("enough")
	cancel(reason)
	var l Library
	if _, _, err := l.Load(ctx, []Source{file(t, "City.mmdb", world)}, nil); !errors.Is(err, reason) {
		t.Errorf("%v; want %v", err, reason)
	}
}

func TestLoadTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := file(t, "City.mmdb", world)
		read := slow.Read
		slow.Read = func() ([]byte, error) {
			time.Sleep(longestLoad + time.Second)
			return read()
		}
		var l Library
		if _, _, err := l.Load(context.Background(), []Source{slow}, nil); !errors.Is(err, errTooLong) {
			t.Errorf("%v; want %v", err, errTooLong)
		}
	})
}

func TestKnows(t *testing.T) {
	us, asn, lab := views(t, "country:US")[0], views(t, "asn:64500")[0], views(t, "192.0.2.0/24")[0]
	for _, c := range []struct {
		table string
		want  Attributes
	}{
		{"", Attributes{}},
		{"2.0.0.0/8 asn=1", Attributes{ASN: true}},
		{"2.0.0.0/8 asn=1\n3.0.0.0/8 registered=US", Attributes{ASN: true, Country: true}},
		{"2.0.0.0/8 subdivision=CA", Attributes{}}, // of which country is not known
		{"2.0.0.0/8 country=US subdivision=CA continent=NA at=1,2", Attributes{Country: true, Subdivision: true, Continent: true, Location: true}},
		{"2.0.0.0/8 at=1,200", Attributes{}}, // nowhere
	} {
		var l Library
		_, databases, err := l.Load(context.Background(), []Source{file(t, "x.mmdb", c.table)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		knows := Together(databases)
		if knows != c.want {
			t.Errorf("%s: %+v; want %+v", c.table, knows, c.want)
		}
		if knows.CanTell(us) != c.want.Country || knows.CanTell(asn) != c.want.ASN || !knows.CanTell(lab) {
			t.Errorf("%s: tells what it does not know, or does not tell what it knows", c.table)
		}
	}
}

// Each attribute is from the first database that has it, network by network.
func TestSeveralDatabases(t *testing.T) {
	own := file(t, "Own.mmdb", `
		2.1.0.0/16 country=FR
		2.2.0.0/16 asn=64500
		2.3.0.0/16 at=0,0
	`)
	city := file(t, "City.mmdb", "2.0.0.0/8 country=US continent=NA subdivision=CA at=50,0 asn=64501")
	q := Question{Views: views(t, "country:US", "country:FR", "continent:NA", "subdivision:US-CA", "asn:64500", "asn:64501"), Points: []Point{{60, 0}, {10, 0}}}
	for _, c := range []struct {
		files []Source
		addr  string
		views string
		first int // of the points
	}{
		{[]Source{own, city}, "2.0.0.1", "asn:64501 subdivision:US-CA country:US continent:NA", 0},
		{[]Source{own, city}, "2.1.0.1", "asn:64501 country:FR continent:NA", 0},
		{[]Source{own, city}, "2.2.0.1", "asn:64500 subdivision:US-CA country:US continent:NA", 0},
		{[]Source{own, city}, "2.3.0.1", "asn:64501 subdivision:US-CA country:US continent:NA", 1},
		{[]Source{city, own}, "2.1.0.1", "asn:64501 subdivision:US-CA country:US continent:NA", 0},
		{[]Source{city, own}, "2.3.0.1", "asn:64501 subdivision:US-CA country:US continent:NA", 0},
		{[]Source{own}, "2.1.0.1", "country:FR", -1},
	} {
		m := load(t, q, c.files...)
		class, _ := m.Find(addr(t, c.addr))
		found := m.Classes()[class]
		if got := names(q, found); got != c.views {
			t.Errorf("%s: %s; want %s", c.addr, got, c.views)
		}
		if c.first < 0 && found.Order != nil || c.first >= 0 && found.Order[0] != c.first {
			t.Errorf("%s: order %v; want %d first", c.addr, found.Order, c.first)
		}
	}
}
