package replication

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readMatrix reads a matrix as it is drawn, a row for each region that is written: "+" in time, "L" late,
// "." unmeasured, and "-" on the diagonal; "!" at the end of the row: its writes fail, "?": its readings do.
func readMatrix(t interface{ Fatalf(string, ...any) }, text string) *matrix {
	m := new(matrix)
	rows := strings.Fields(text)
	for x, row := range rows {
		m.unwritten = append(m.unwritten, strings.Contains(row, "!"))
		m.unread = append(m.unread, strings.Contains(row, "?"))
		var arrivals []Arrival
		for _, c := range strings.TrimRight(row, "!?") {
			arrivals = append(arrivals, map[rune]Arrival{'+': InTime, 'L': Late, '.': Unmeasured, '-': Unmeasured}[c])
		}
		if len(arrivals) != len(rows) || row[x] != '-' {
			t.Fatalf("row %d of %q is no row of a matrix", x, text)
		}
		m.arrivals = append(m.arrivals, arrivals)
	}
	return m
}

// shorts are the conditions by the letters that tests write.
var shorts = map[rune]Condition{'c': Current, 'b': Behind, 'x': CutOff, 's': Silent, 'a': Ambiguous, '_': "as it was"}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name, matrix, want string // a letter for each region
	}{
		// Two regions.
		{"all in time", "-+ +-", "cc"},
		{"one way late", "-L +-", "sb"},
		{"the other way late", "-+ L-", "bs"},
		{"both ways late", "-L L-", "xx"},
		{"nothing measured yet", "-. .-", "__"},
		{"one way not yet", "-+ .-", "__"},
		{"one way late, the other not yet", "-L .-", "_b"},
		{"one cannot be written, and all arrives in it", "-.! +-", "c_"},
		{"one cannot be read", "-+? +-", "_c"},
		{"one cannot be read, and its writes are late", "-L? +-", "sb"},
		{"one is out", "-+!? +-", "__"},
		{"one is out, and its last writes are late", "-L!? +-", "__"},
		{"one is out, and lacks all", "-+!? L-", "__"},
		{"all are out", "-L!? L-!?", "__"},

		// Three regions.
		{"three in time", "-++ +-+ ++-", "ccc"},
		{"one edge late", "-L+ +-+ ++-", "aac"},
		{"behind", "-L+ +-+ +L-", "cbc"},
		{"silent", "-++ L-L ++-", "csc"},
		{"cut off", "-L+ L-L +L-", "cxc"},
		{"behind, and one of its own writes late", "-L+ +-L +L-", "cbc"},
		{"silent, and one of the others' late in it", "-L+ L-L ++-", "aaa"},
		{"two behind", "-LL +-L +L-", "sbb"},
		{"all cut off", "-LL L-L LL-", "xxx"},
		{"one cannot be written, another is behind", "-L.! +-+ +L-", "cbc"},
		{"one cannot be written, and one edge of the others is late", "-..! +-L ++-", "caa"},
		{"one is out: the others are two", "-+L!? +-L +L-", "_x_"},
		{"one is out: the others are current", "-++!? L-+ L+-", "_cc"},
		{"one is out, and its last writes are late in the others", "-LL!? L-+ L+-", "___"},
		{"two are out", "-LL!? L-L!? L+-", "___"},
		{"one way into it is awaited", "-+. +-+ ++-", "_c_"},
		{"all that is measured is late in it", "-L+ +-+ +.-", "a__"},
		{"one cannot be read, and its own writes arrive", "-++? L-+ L+-", "_cc"},

		// Four regions: two that see each other, and two others.
		{"two and two", "-+LL +-LL LL-+ LL+-", "aaaa"},
		{"behind one that is silent, too", "-LLL +-LL ++-+ +++-", "saaa"},
	} {
		m := readMatrix(t, test.matrix)
		was := make([]Condition, len(test.want))
		for i := range was {
			was[i] = "as it was"
		}
		var want []Condition
		for _, c := range test.want {
			want = append(want, shorts[c])
		}
		if got := judge(m, was); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\ngot  %v\nwant %v", test.name, strings.ReplaceAll(test.matrix, " ", "\n"), got, want)
		}
	}
}

// drawMatrix draws any matrix of two to five regions.
func drawMatrix(t *rapid.T) *matrix {
	n := rapid.IntRange(2, 5).Draw(t, "regions")
	m := &matrix{unread: make([]bool, n), unwritten: make([]bool, n)}
	for x := range n {
		m.unread[x] = rapid.IntRange(0, 5).Draw(t, "unread") == 0
		m.unwritten[x] = rapid.IntRange(0, 5).Draw(t, "unwritten") == 0
		row := make([]Arrival, n)
		for y := range row {
			if x != y {
				row[y] = Arrival(rapid.IntRange(0, 2).Draw(t, fmt.Sprintf("%d to %d", x, y)))
			}
		}
		m.arrivals = append(m.arrivals, row)
	}
	return m
}

func drawConditions(t *rapid.T, n int) []Condition {
	return rapid.SliceOfN(rapid.SampledFrom([]Condition{Unknown, Current, Behind, CutOff, Silent, Ambiguous, Unread}), n, n).Draw(t, "was")
}

// Nothing is said against a region for nothing, and no region is current that lacks what another has which is
// at no fault itself.
func TestJudgeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMatrix(t)
		n := len(m.unread)
		was := drawConditions(t, n)
		got := judge(m, was)
		for x := range n {
			in, out := 0, 0
			for y := range n {
				if x == y || m.isOut(y) {
					continue
				}
				if m.arrivals[y][x] == Late && !m.unread[x] {
					in++
				}
				if m.arrivals[x][y] == Late && !m.unread[y] {
					out++
				}
			}
			switch changed := got[x] != was[x]; {
			case m.isOut(x) && changed:
				t.Fatalf("region %d is out, and turned from %q to %q", x, was[x], got[x])
			case !changed:
			case (got[x] == Behind || got[x] == CutOff) && in == 0:
				t.Fatalf("region %d is %s, and nothing is late in it", x, got[x])
			case (got[x] == Silent || got[x] == CutOff) && out == 0:
				t.Fatalf("region %d is %s, and nothing of it is late", x, got[x])
			case got[x] == Ambiguous && in+out == 0:
				t.Fatalf("region %d is ambiguous, and nothing is late", x)
			case got[x] == Current && n == 2 && in+out > 0:
				t.Fatalf("of two regions, region %d is current, and something is late", x)
			case got[x] == Unread || got[x] == Unknown:
				t.Fatalf("region %d turned %s, which no matrix says", x, got[x])
			}
			for y := range n {
				if got[x] == Current && was[x] != Current && x != y && m.arrivals[y][x] == Late && got[y] != CutOff && got[y] != Silent && got[y] != Behind {
					t.Fatalf("region %d is current, but lacks what region %d has, which is %q", x, y, got[y])
				}
			}
		}
	})
}

// Who stands where in the configuration makes no difference.
func TestJudgeTreatsRegionsAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMatrix(t)
		n := len(m.unread)
		was := drawConditions(t, n)
		order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		})).Draw(t, "order")
		other, otherWas := &matrix{}, []Condition{}
		for _, x := range order {
			other.unread = append(other.unread, m.unread[x])
			other.unwritten = append(other.unwritten, m.unwritten[x])
			otherWas = append(otherWas, was[x])
			var row []Arrival
			for _, y := range order {
				row = append(row, m.arrivals[x][y])
			}
			other.arrivals = append(other.arrivals, row)
		}
		got, otherGot := judge(m, was), judge(other, otherWas)
		for i, x := range order {
			if otherGot[i] != got[x] {
				t.Fatalf("region %d is %q, and in another order %q", x, got[x], otherGot[i])
			}
		}
	})
}

// Of what nothing is heard, nothing is said.
func TestJudgeOfNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMatrix(t)
		for x := range m.unread {
			m.unread[x], m.unwritten[x] = true, true
		}
		was := drawConditions(t, len(m.unread))
		if got := judge(m, was); !slices.Equal(got, was) {
			t.Fatalf("got %v, was %v", got, was)
		}
	})
}
