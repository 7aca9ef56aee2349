package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"

	"gslb/zones/problem"
)

// What would take all of the stack, the memory or the time is refused, and soon.
func TestHostileTOML(t *testing.T) {
	repeat := strings.Repeat
	tests := []struct{ name, text, want string }{
		{"lists", repeat("[", 2<<20), "within each other"},
		{"lists behind a key", "a = " + repeat("[", 2<<20), "within each other"},
		{"closed lists", "a = " + repeat("[", 1<<20) + repeat("]", 1<<20), "within each other"},
		{"inline tables", repeat("{a=", 50_000), "within each other"},
		{"inline tables behind a key", "a=" + repeat("{a=", 50_000) + "1" + repeat("}", 50_000), "within each other"},
		{"both", "a=" + repeat("[{a=", 50_000), "within each other"},
		{"over lines", "a=" + repeat("[\n#\n", 50_000), "within each other"},
		{"a dotted key", repeat("a.", 1<<20) + "a=1", "parts"},
		{"a dotted key with blanks", repeat("a . ", 1<<20) + "a=1", "parts"},
		{"a dotted head", "[" + repeat("a.", 1<<20) + "a]", "parts"},
		{"a dotted key with quotes", repeat("\"\".", 1<<20) + "a=1", "parts"},
		{"dotted keys in an inline table", "a={" + repeat("a.", 1<<20) + "a=1}", "parts"},
		{"items", "a=[" + repeat("1,", 11_000_000) + "]", "keys and values"},
		{"behind a string that looks open", "a = \"\"\"\\\"\"\"\"\"\nb = " + repeat("[", 2<<20), "within each other"},
		{"behind a comment that looks like a string", "# \"\"\"\nb = " + repeat("[", 2<<20), "within each other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse([]byte(test.text), "zones.toml", LoadOptions{Now: noon})
			var errs *problem.Errors
			if !errors.As(err, &errs) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.200v, want an error about %s", err, test.want)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// What the parser takes is bounded in depth, whatever strings and comments surround it.
func TestBoundedSeesWhatTheParserSees(t *testing.T) {
	pieces := []string{`"`, `'`, `"""`, `'''`, `\`, "\n", "#", "[", "]", "{", "}", "=", ",", ".", "a", "1", " "}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "text"), "") +
			"\nx = " + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + "\n"
		line, _ := bounded([]byte(text))
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err == nil && line == 0 {
			if x, isList := tree["x"].([]any); isList && len(x) == 1 {
				t.Fatalf("the parser takes %q, and so does bounded", text)
			}
		}
	})
}

// However much is wrong, what is kept and said of it is bounded, in memory and in time.
func TestManyErrors(t *testing.T) {
	var b strings.Builder
	b.WriteString("server = { listen = [\"127.0.0.1:0\"] }\n")
	for i := range 1_000 {
		fmt.Fprintf(&b, "[pools.p%d]\nmembers = [\"203.0.113.10\"]\n", i)
	}
	b.WriteString("[zones.\"example.com\"]\nnameservers = { \"ns.example.net.\" = [] }\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "[zones.\"example.com\".names.n%d]\npools = [\"q%d%s\"]\n", i, i, strings.Repeat("x", 20))
	}
	start := time.Now()
	_, err := Parse([]byte(b.String()), "zones.toml", LoadOptions{Now: noon})
	var errs *problem.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v, want Errors", err)
	}
	if len(errs.Problems) != problem.Shown || errs.Total() != 21_000 {
		t.Errorf("%d problems and %d more, want %d of 21,000", len(errs.Problems), errs.More, problem.Shown)
	}
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; last != "and 20,900 more" {
		t.Errorf("the last line is %q", last)
	}
	for _, line := range lines {
		if len(line) > 2000 {
			t.Errorf("a line of %d bytes: %.100s…", len(line), line)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// A value of any length is cut in the message about it.
func TestLongValues(t *testing.T) {
	long := strings.Repeat("ä", 1<<20)
	for _, text := range []string{
		"server = { listen = [\"" + long + "\"] }",
		"server = { listen = [], \"" + long + "\" = 1 }",
		"checks.\"" + long + "\" = { type = \"" + long + "\" }",
		"\"" + long + "\" = 1",
		"\"" + long + "\" = 1\n\"" + long + "\" = 2",
		"x = " + long,
	} {
		_, err := Parse([]byte(text), "zones.toml", LoadOptions{Now: noon})
		if err == nil || len(err.Error()) > 10_000 {
			t.Errorf("%.40s…: %d bytes of errors", text, len(fmt.Sprint(err)))
		}
	}
}

// A pool of more addresses of a family than a reply carries would never be answered.
func TestPoolsThatNoReplyCarries(t *testing.T) {
	const head = "server = { listen = [\"127.0.0.1:0\"] }\n[zones.\"example.com\"]\nnameservers = { \"ns.example.net.\" = [] }\nnames.app = { pools = [\"p\"] }\n"
	for _, test := range []struct {
		format string
		most   int
	}{{"10.0.%d.%d", 4078}, {"2001:db8::%x:%x", 2330}} {
		members := make([]string, test.most+1)
		for i := range members {
			members[i] = fmt.Sprintf("%q", fmt.Sprintf(test.format, i/250, i%250))
		}
		parse := func(members []string) error {
			_, err := Parse([]byte(head+"[pools.p]\nmembers = ["+strings.Join(members, ",\n")+"]\n"), "zones.toml", LoadOptions{Now: noon})
			return err
		}
		if err := parse(members[:test.most]); err != nil {
			t.Errorf("%d addresses: %v", test.most, err)
		}
		want := fmt.Sprintf("pools.p.members: found %d IPv", test.most+1)
		if err := parse(members); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d addresses: got %v, want %s…", test.most+1, err, want)
		}
	}
}
