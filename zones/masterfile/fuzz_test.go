package masterfile

import (
	"bytes"
	"errors"
	"testing"

	"gslb/internal/wire"
)

// FuzzRead holds a Reader to its word: whatever text it reads, it hands on records that are
// well-formed, or says what is wrong and where.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"$TTL 1h\n@ SOA ns1 hostmaster ( 1 ; serial\n 2 3 4 5 )\n  NS ns1\nns1 60 IN A 192.0.2.1\n",
		"$ORIGIN sub\n$INCLUDE x sub\na TXT \"semi;colon\" ( \"in (quotes)\"\n) ; \")\"\n\\097bc TYPE1 \\# 4 C0000201",
		"$GENERATE 0-10/5 h${0,3,n} MX \"10 m$\"\n$GENERATE 1-2 $$ TXT \\$$\n",
		"\xef\xbb\xbf\x00a\r\n\tA 1.2.3.4\r(b A\n192.0.2.1)))\n$TTL\n\"x\" HTTPS 1 . alpn=\"a\\\\,b\"",
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, inherit bool) {
		lines := 1 + bytes.Count(text, []byte("\n"))
		check := func(file string, line int) {
			if file != "db" && file != "x" || line < 1 || line > lines {
				t.Fatalf("it speaks of %s:%d", file, line)
			}
		}
		r := NewReader(Config{
			Origin: wireName(t, "example.com."), Inherit: inherit, Strict: !inherit,
			Include: func(name string) ([]byte, error) {
				if name != "x" {
					return nil, errors.New("no such file")
				}
				return text, nil
			},
			Add: func(r *Record) error {
				check("db", r.Line)
				var owner wire.Name
				if end, ok := owner.Read(r.Owner, 0); !ok || end != len(r.Owner) {
					t.Fatalf("the owner is %x", r.Owner)
				}
				if r.TTL > MaxTTL || isMeta(r.Type) || len(r.Data) > 65535 {
					t.Fatalf("the record is %+v", r)
				}
				return nil
			},
			Report: func(file string, line int, err error) {
				check("db", line)
				if err.Error() == "" || bytes.ContainsRune([]byte(err.Error()), '\n') {
					t.Fatalf("it reports %q", err)
				}
			},
			Limits: Limits{Depth: 2, Includes: 5, Generated: 500, Octets: 1 << 20},
		})
		r.Read("db", text)
	})
}
