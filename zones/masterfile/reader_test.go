package masterfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What stands around the data of records: owners, TTLs, classes, directives, parentheses.
func TestRead(t *testing.T) {
	inherit := func(c *Config) { c.Inherit = true }
	tests := []struct {
		name   string
		text   string
		change func(*Config)
		want   []string
	}{
		{"a blank owner is the one before", "www A 192.0.2.1\n  A 192.0.2.2\n\tA 192.0.2.3\n", nil, []string{
			"www.example.com. 20 A 192.0.2.1", "www.example.com. 20 A 192.0.2.2", "www.example.com. 20 A 192.0.2.3"}},
		{"TTL and class in any order", "a 1 IN A 192.0.2.1\nb IN 2 A 192.0.2.1\nc 3 A 192.0.2.1\nd CLASS1 A 192.0.2.1\n", nil, []string{
			"a.example.com. 1 A 192.0.2.1", "b.example.com. 2 A 192.0.2.1", "c.example.com. 3 A 192.0.2.1", "d.example.com. 20 A 192.0.2.1"}},
		{"units", "a 1w2D3h4M5s A 192.0.2.1\n", nil, []string{"a.example.com. 788645 A 192.0.2.1"}},
		{"a word is a type only behind the owner", "a A 192.0.2.1\nmx in a 192.0.2.1\nin MX 1 a\n", nil, []string{
			"a.example.com. 20 A 192.0.2.1", "mx.example.com. 20 A 192.0.2.1", "in.example.com. 20 MX 1 a.example.com."}},
		{"parentheses and comments", "a ( ; one\n  MX ; two (\n ) 1 ( b ) ; three\n(b A\n192.0.2.1)\n", nil, []string{
			"a.example.com. 20 MX 1 b.example.com.", "b.example.com. 20 A 192.0.2.1"}},
		{"lines that end as elsewhere, or not at all", "a A 192.0.2.1\r\n\r\nb A 192.0.2.2", nil, []string{
			"a.example.com. 20 A 192.0.2.1", "b.example.com. 20 A 192.0.2.2"}},
		{"origins", "$ORIGIN sub\na A 192.0.2.1\n$ORIGIN deep\n@ NS a\n$ORIGIN .\nb.example.com A 192.0.2.1\n", nil, []string{
			"a.sub.example.com. 20 A 192.0.2.1", "deep.sub.example.com. 20 NS a.deep.sub.example.com.", "b.example.com. 20 A 192.0.2.1"}},
		{"escapes", `\097\.b TXT "a\"b;" c\;d \104` + "\n" + `x NS \@` + "\n", nil, []string{
			`a\.b.example.com. 20 TXT "a\"b;" "c;d" "h"`, `x.example.com. 20 NS \@.example.com.`}},
		{"$TTL holds until the next", "a A 192.0.2.1\n$TTL 5\nb A 192.0.2.1\nc 7 A 192.0.2.1\nd A 192.0.2.1\n$ttl ( 1m )\ne A 192.0.2.1\n", inherit, []string{
			"a.example.com. 20 A 192.0.2.1", "b.example.com. 5 A 192.0.2.1", "c.example.com. 7 A 192.0.2.1",
			"d.example.com. 5 A 192.0.2.1", "e.example.com. 60 A 192.0.2.1"}},
		{"without $TTL the last one holds", "a A 192.0.2.1\nb 7 A 192.0.2.1\nc A 192.0.2.1\n", inherit, []string{
			"a.example.com. 20 A 192.0.2.1", "b.example.com. 7 A 192.0.2.1", "c.example.com. 7 A 192.0.2.1"}},
		{"but not where there is a default", "b 7 A 192.0.2.1\nc A 192.0.2.1\n", nil, []string{
			"b.example.com. 7 A 192.0.2.1", "c.example.com. 20 A 192.0.2.1"}},
		{"a TTL with the highest bit", "a 2147483647 A 192.0.2.1\nb 2147483648 A 192.0.2.1\nc 4294967295 A 192.0.2.1\n", nil, []string{
			"a.example.com. 2147483647 A 192.0.2.1", "b.example.com. 0 A 192.0.2.1", "c.example.com. 0 A 192.0.2.1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := read(t, test.text, test.change)
			if diff := cmp.Diff(test.want, got.records); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(got.problems) > 0 {
				t.Errorf("problems: %q", got.problems)
			}
		})
	}
}

// Each fault is reported with the line of its entry, and nothing else suffers from it.
func TestFaults(t *testing.T) {
	tests := []struct{ text, want string }{
		{`x TXT "a`, `a quote is opened in "\"a" and not closed on its line`},
		{`x TXT a )`, "a parenthesis is closed that was not opened"},
		{`x TXT a \`, "found a backslash at the end of a line; expected what it escapes"},
		{`x..y A 192.0.2.1`, `found "x..y A 192.0.2.1"; expected a record: the owner "x..y" is no domain name: a label is empty`},
		{`x\256 A 192.0.2.1`, `found "x\\256 A 192.0.2.1"; expected a record: the owner "x\\256" is no domain name: found \256; expected at most \255`},
		{`x\2 A 192.0.2.1`, `found "x\\2 A 192.0.2.1"; expected a record: the owner "x\\2" is no domain name: a backslash and a digit need two digits more`},
		{`x`, `found "x"; expected a record: it has no type`},
		{`x 5 6 A 192.0.2.1`, `found "x 5 6 A 192.0.2.1"; expected a record: found "6"; expected a TTL, a class or a type`},
		{`x IN IN A 192.0.2.1`, `found "x IN IN A 192.0.2.1"; expected a record: found "IN"; expected a TTL, a class or a type`},
		{`x 7102w A 192.0.2.1`, `found "x 7102w A 192.0.2.1"; expected a record: the TTL: found "7102w"; expected at most 2147483647 seconds`},
		{`x CH A 192.0.2.1`, `found "x CH A 192.0.2.1"; expected a record: its class is CH; only IN is served`},
		{`x TYPE255 \# 0`, `found "x TYPE255 \\# 0"; expected a record: the type ANY exists in messages only (RFC 6895, section 3.1)`},
		{`x MX 10 "y"`, `found "x MX 10 \"y\""; expected a record: the exchange: "y" is no domain name: it stands in quotes`},
		{`$TTL 1y`, `the value of $TTL: found "1y"; expected seconds, or a time such as "1h30m"`},
		{`$ORIGIN "a"`, `the origin "a" is no domain name: it stands in quotes`},
		{`$ORIGIN`, "found $ORIGIN with 0 values; expected one"},
		{`$INCLUDE x`, `found $INCLUDE; expected none here, name a whole master file with file = "…"`},
		{`$GENERATE 1-2 x$ MX 10 y`, `found "$GENERATE 1-2 x$ MX 10 y"; expected an owner, a type and data, such as $GENERATE 1-4 host$ A 192.0.2.$: the data is several fields; put them in quotes`},
	}
	for _, test := range tests {
		got := read(t, "a A 192.0.2.1\n"+test.text+"\nb A 192.0.2.1\n", nil)
		if diff := cmp.Diff([]string{"db:2: " + test.want}, got.problems); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.text, diff)
		}
		if len(got.records) != 2 {
			t.Errorf("%s: the records beside it are %q", test.text, got.records)
		}
	}
}

// The records of an owner that is no name are looked at, but belong to nobody.
func TestLostOwner(t *testing.T) {
	got := read(t, "a..b A 192.0.2.1\n A 192.0.2.2\n A x\nc A 192.0.2.3\n A 192.0.2.4\n", nil)
	if len(got.records) != 2 || len(got.problems) != 2 {
		t.Errorf("got %q and %q, want the records of c, and two problems", got.records, got.problems)
	}
}

func TestGenerate(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"$GENERATE 1-2 h$ A 192.0.2.$", []string{"h1.example.com. 20 A 192.0.2.1", "h2.example.com. 20 A 192.0.2.2"}},
		{"x A 192.0.2.9\n$GENERATE 1-1 h$ A 192.0.2.$\n TXT x", []string{
			"x.example.com. 20 A 192.0.2.9", "h1.example.com. 20 A 192.0.2.1", "x.example.com. 20 TXT \"x\"",
		}},
		{"$generate 0-10/5 $ 7 IN CNAME a$.b", []string{
			"0.example.com. 7 CNAME a0.b.example.com.", "5.example.com. 7 CNAME a5.b.example.com.", "10.example.com. 7 CNAME a10.b.example.com."}},
		{`$GENERATE 5-5 a${-7} MX "10 m${3,4}"`, []string{"a-2.example.com. 20 MX 10 m0008.example.com."}},
		{`$GENERATE 5-5 a${+7} A 192.0.2.$`, []string{"a12.example.com. 20 A 192.0.2.5"}},
		{`$GENERATE 171-171 $ TXT ${0,5,d}-${0,5,o}-${0,5,x}-${0,5,X}`, []string{`171.example.com. 20 TXT "00171-00253-000ab-000AB"`}},
		{`$GENERATE 171-171 ${0,7,n}.x PTR ${0,0,N}`, []string{"b.a.0.0.x.example.com. 20 PTR B.A.example.com."}},
		{`$GENERATE 1-1 x TXT "\"number $\" \$$$"`, []string{`x.example.com. 20 TXT "number 1" "$$"`}},
		{`$GENERATE 1-1 x TXT \$$`, []string{`x.example.com. 20 TXT "$1"`}},
	}
	for _, test := range tests {
		got := read(t, test.text, nil)
		if diff := cmp.Diff(test.want, got.records); diff != "" {
			t.Errorf("%s: (-want +got)\n%s%q", test.text, diff, got.problems)
		}
	}
}

// A record that $GENERATE cannot make is reported once, not for each number.
func TestGenerateStops(t *testing.T) {
	got := read(t, "$GENERATE 250-4000 x A 192.0.2.$\n", nil)
	want := []string{`db:1: found "$GENERATE 250-4000 x A 192.0.2.$"; for 256 it makes no record: the address: "192.0.2.256" is no IPv4 address`}
	if diff := cmp.Diff(want, got.problems); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestInclude(t *testing.T) {
	files := map[string]string{
		"sub":   "a A 192.0.2.1\n$TTL 5\n$ORIGIN x\n  A 192.0.2.2\nbad A\n",
		"blank": "  A 192.0.2.3\n",
		"self":  "a A 192.0.2.1\n$INCLUDE self\n",
		"ping":  "$INCLUDE pong\n",
		"pong":  "$INCLUDE ping\n",
	}
	with := func(c *Config) {
		c.Include = func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		}
	}
	tests := []struct {
		name, text        string
		records, problems []string
	}{
		{"what a file sets ends with it", "z A 192.0.2.9\n$INCLUDE sub in\n  A 192.0.2.8\n", []string{
			"z.example.com. 20 A 192.0.2.9", "a.in.example.com. 20 A 192.0.2.1", "a.in.example.com. 5 A 192.0.2.2",
			"z.example.com. 20 A 192.0.2.8",
		}, []string{`sub:5: found "bad A"; expected a record: the address is missing`}},
		{"the owner goes in", "z A 192.0.2.9\n$INCLUDE blank\n", []string{
			"z.example.com. 20 A 192.0.2.9", "z.example.com. 20 A 192.0.2.3"}, nil},
		{"itself", "$INCLUDE self\n", []string{"a.example.com. 20 A 192.0.2.1"},
			[]string{"self:2: found $INCLUDE self within that file; expected none that includes itself"}},
		{"each other", "$INCLUDE ping\n", nil,
			[]string{"pong:1: found $INCLUDE ping within that file; expected none that includes itself"}},
		{"nothing", "$INCLUDE none\n", nil,
			[]string{"db:1: found $INCLUDE none; expected a readable file in the folder of zones.toml: no such file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := read(t, test.text, with)
			if diff := cmp.Diff(test.records, got.records); diff != "" {
				t.Errorf("records (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(test.problems, got.problems); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
		})
	}
}

// A few files that include the next one many times over are read no more often than allowed.
func TestIncludesAreBounded(t *testing.T) {
	reads := 0
	got := read(t, "$INCLUDE x\n", func(c *Config) {
		c.Limits = Limits{Depth: 8, Includes: 50, Octets: 1 << 20}
		c.Include = func(name string) ([]byte, error) {
			reads++
			return []byte(strings.Repeat("$INCLUDE "+name+"x\n", 20)), nil
		}
	})
	if reads != 50 || len(got.problems) == 0 {
		t.Errorf("%d files were read, with %d problems; want 50, and the rest reported", reads, len(got.problems))
	}
}

// Few lines come to no more than a number of octets, however large each record and each file is.
func TestOctetsAreBounded(t *testing.T) {
	large := strings.Repeat("aaaa", 50)
	included := ";" + strings.Repeat("x", 999) + "\n"
	for text, want := range map[string]string{
		"$GENERATE 1-1000 x$ TXT " + large + "\n":                             "db:1: found ",
		"$INCLUDE a\n$INCLUDE a\n$INCLUDE a\n$INCLUDE a\n$INCLUDE a\n":        "db:5: found $INCLUDE a of 1001 octets; expected at most 4500",
		"$INCLUDE a\n$INCLUDE a\n$GENERATE 1-1000 x$ TXT " + large + "\nx\n ": "db:3: found ",
		strings.Repeat("$INCLUDE a\n", 50):                                    "db:5: found $INCLUDE a of 1001 octets; expected at most 4500",
	} {
		reads := 0
		got := read(t, text, func(c *Config) {
			c.Limits.Octets = 4500
			c.Include = func(string) ([]byte, error) { reads++; return []byte(included), nil }
		})
		if reads > 5 {
			t.Errorf("%.40s…: %d files were read", text, reads)
		}
		if len(got.problems) == 0 || !strings.HasPrefix(got.problems[0], want) || !strings.Contains(got.problems[0], "4500") {
			t.Errorf("%.40s…: %q, want %s…", text, got.problems, want)
		}
		if octets := len(got.records) * len(large); octets > 4500 {
			t.Errorf("%.40s…: %d records", text, len(got.records))
		}
	}
}
