package masterfile

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

// failer is what tests of all kinds have.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// wireName is a name in wire form.
func wireName(t failer, name string) []byte {
	t.Helper()
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(name, buf, 0, nil, false)
	if err != nil {
		t.Fatalf("pack %q: %v", name, err)
	}
	return buf[:n]
}

// result is what a Reader makes of a text: records as the library writes them, and problems.
type result struct {
	records  []string
	problems []string
}

// read reads a text in the zone example.com, with a TTL of 20 s where none is stated.
func read(t testing.TB, text string, change func(*Config)) (r result) {
	t.Helper()
	c := Config{
		Origin: wireName(t, "example.com."),
		TTL:    20,
		Add: func(rec *Record) error {
			r.records = append(r.records, present(t, rec))
			return nil
		},
		Report: func(file string, line int, err error) {
			r.problems = append(r.problems, fmt.Sprintf("%s:%d: %v", file, line, err))
		},
		Limits: DefaultLimits(),
	}
	if change != nil {
		change(&c)
	}
	NewReader(c).Read("db", []byte(text))
	return r
}

// present is a record as the library writes it, with single spaces.
func present(t testing.TB, rec *Record) string {
	t.Helper()
	owner, _, err := dns.UnpackDomainName(rec.Owner, 0)
	if err != nil {
		t.Fatalf("the owner %x: %v", rec.Owner, err)
	}
	head := dns.RR_Header{Name: owner, Rrtype: rec.Type, Class: dns.ClassINET, Ttl: rec.TTL, Rdlength: uint16(len(rec.Data))}
	rr, end, err := dns.UnpackRRWithHeader(head, rec.Data, 0)
	if err != nil || end != len(rec.Data) {
		return fmt.Sprintf("%s %d %s \\# %d %x", owner, rec.TTL, dns.Type(rec.Type), len(rec.Data), rec.Data)
	}
	return fmt.Sprintf("%s %d %s %s", owner, rec.TTL, dns.Type(rec.Type), rr.String()[len(rr.Header().String()):])
}

// typeNumber is the number of a type.
func typeNumber(t failer, name string) uint16 {
	t.Helper()
	rtype, ok := typeOf([]byte(name))
	if !ok {
		t.Fatalf("there is no type %s", name)
	}
	return rtype
}
