package masterfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/internal/wire"
	"gslb/zones/masterfile/corpus"
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

// FuzzData holds data of any type, as text, to its octets: see agree.
func FuzzData(f *testing.F) {
	for rtype, texts := range samples {
		for _, text := range texts {
			f.Add(rtype, text)
		}
	}
	f.Add(dns.TypeLOC, "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m")
	f.Add(dns.TypeTXT, `\# 3 026869`)
	f.Add(uint16(65280), `\# 2 abcd`)
	f.Add(dns.TypeISDN, "\"150862 028\"")
	f.Add(dns.TypeHINFO, "a\fb(c)")
	f.Fuzz(func(t *testing.T, rtype uint16, text string) {
		if isMeta(rtype) || len(text) > 4096 {
			return
		}
		agree(t, rtype, text)
	})
}

// The same of the types that have a syntax of their own.

func FuzzServiceParameters(f *testing.F) { fuzzTypes(f, dns.TypeSVCB, dns.TypeHTTPS) }
func FuzzCAA(f *testing.F)               { fuzzTypes(f, dns.TypeCAA, dns.TypeURI) }
func FuzzAPL(f *testing.F)               { fuzzTypes(f, dns.TypeAPL) }
func FuzzLOC(f *testing.F)               { fuzzTypes(f, dns.TypeLOC) }
func FuzzBitmaps(f *testing.F) {
	fuzzTypes(f, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeCSYNC, dns.TypeNXT, typeWKS)
}

func fuzzTypes(f *testing.F, types ...uint16) {
	entries, err := corpus.Read()
	if err != nil {
		f.Fatal(err)
	}
	for i, rtype := range types {
		for _, e := range entries {
			if text, ok := strings.CutPrefix(e.Text, TypeName(rtype)+" "); ok {
				f.Add(uint8(i), text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		if len(text) <= 4096 {
			agree(t, types[int(which)%len(types)], text)
		}
	})
}

// FuzzWire holds data of any type in wire form to its layout: what is taken is taken as it is, and
// nothing is the same as other octets but for the case of letters.
func FuzzWire(f *testing.F) {
	entries, err := corpus.Read()
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if rtype, ok := typeOf([]byte(e.Type)); ok && !e.Refused {
			f.Add(rtype, e.Data)
		}
	}
	f.Fuzz(func(t *testing.T, rtype uint16, data []byte) {
		if isMeta(rtype) || len(data) > 4096 {
			return
		}
		packed, err := pack(t, rtype, fmt.Sprintf(`\# %d %x`, len(data), data))
		if (err == nil) != (wellFormed(rtype, data) == nil) || err == nil && !bytes.Equal(packed, data) {
			t.Fatalf("%s %x is read to %x (%v)", TypeName(rtype), data, packed, err)
		}
		upper := bytes.ToUpper(data)
		if len(upper) == len(data) && SameData(rtype, data, upper) != SameData(rtype, upper, data) {
			t.Fatalf("%s %x and %x are the same one way only", TypeName(rtype), data, upper)
		}
	})
}
