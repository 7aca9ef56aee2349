package masterfile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gslb/zones/masterfile/corpus"
)

// Every record of the corpus is read to the octets that it has to have, in the form it is written
// in and in the generic one, or refused.
func TestCorpus(t *testing.T) {
	entries, err := corpus.Read()
	if err != nil {
		t.Fatal(err)
	}
	taken := map[uint16]bool{}
	for _, e := range entries {
		got, problems := readOne(t, "x "+e.Text+"\n")
		switch {
		case e.Refused && (got != nil || len(problems) == 0):
			t.Errorf("%s: %s: it is read to %+v, want it refused", e.Where, e.Text, got)
		case e.Refused:
		case got == nil || len(problems) > 0:
			t.Errorf("%s: %s: it is refused: %q", e.Where, e.Text, problems)
		case !bytes.Equal(got.Data, e.Data):
			t.Errorf("%s: %s:\n got %x\nwant %x", e.Where, e.Text, got.Data, e.Data)
		default:
			taken[got.Type] = true
			generic, problems := readOne(t, fmt.Sprintf("x TYPE%d \\# %d %x\n", got.Type, len(e.Data), e.Data))
			if generic == nil || !bytes.Equal(generic.Data, e.Data) {
				t.Errorf("%s: %s: in the generic form it is read to %v (%q)", e.Where, e.Text, generic, problems)
			}
		}
	}
	var missing []string
	for _, rtype := range slices.Sorted(maps.Keys(layouts)) {
		if name := TypeName(rtype); !taken[rtype] && name != "SOA" { // which stands at the top of a zone
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("there is no record of %s", strings.Join(missing, ", "))
	}
}

// readOne reads a text that holds a record at most.
func readOne(t *testing.T, text string) (got *Record, problems []string) {
	t.Helper()
	NewReader(Config{
		Origin: wireName(t, corpus.Origin),
		Add: func(r *Record) error {
			got = &Record{Owner: bytes.Clone(r.Owner), Type: r.Type, TTL: r.TTL, Data: bytes.Clone(r.Data)}
			return nil
		},
		Report: func(_ string, line int, err error) {
			problems = append(problems, fmt.Sprintf("line %d: %v", line, err))
		},
		Limits: DefaultLimits(),
	}).Read("db", []byte(text))
	return got, problems
}
