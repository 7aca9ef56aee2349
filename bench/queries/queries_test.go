package queries

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestSteeredMix counts the questions of each kind.
func TestSteeredMix(t *testing.T) {
	const count = 20_000
	c := content{names: 50, pools: 5}
	found := make(map[string]float64)
	names := make(map[string]bool)
	for _, q := range c.first(steeredMix, count) {
		found[dns.TypeToString[q.qtype]+" "+dns.RcodeToString[q.rcode]] += 1. / count
		if q.rcode == dns.RcodeSuccess && q.qtype == dns.TypeA {
			names[q.name] = true
		}
	}
	want := map[string]float64{"A NOERROR": 0.8, "AAAA NOERROR": 0.1, "A NXDOMAIN": 0.05, "NS NOERROR": 0.05}
	if diff := cmp.Diff(want, found, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 0.01 })); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	if len(names) != c.names {
		t.Errorf("%d of %d names are asked for", len(names), c.names)
	}
}

func TestRandomMixIsUnique(t *testing.T) {
	const count = 200_000
	seen := make(map[string]bool)
	for _, q := range (content{}).first(randomMix, count) {
		if q.rcode != dns.RcodeNameError || !strings.HasSuffix(q.name, "."+zone) || strings.HasPrefix(q.name, owner(0)[:1]) {
			t.Fatalf("question %+v", q)
		}
		seen[q.name] = true
	}
	if len(seen) < count-1 { // one pair in 48 bits would be an odd chance
		t.Errorf("%d of %d names are different", len(seen), count)
	}
}

func TestQuestionsAreTheSame(t *testing.T) {
	c := content{names: 50, pools: 5}
	if diff := cmp.Diff(c.first(steeredMix, 100), c.first(steeredMix, 1000)[:100], cmp.AllowUnexported(question{}), cmp.Comparer(func(a, b client) bool { return a == b })); diff != "" {
		t.Errorf("the second time (+) they are not those of the first:\n%s", diff)
	}
}

// TestWrite compares what dnsperf reads, and what is packed, with the questions.
func TestWrite(t *testing.T) {
	const count = 1000
	c := content{names: 50, pools: 5}
	questions := c.first(steeredMix, count)
	var want []string
	for _, q := range questions {
		want = append(want, q.name+" "+dns.TypeToString[q.qtype])
	}

	var file strings.Builder
	negative, err := c.write(&file, steeredMix, count)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSuffix(file.String(), "\n"), "\n")); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if negative != negatives(questions) || negative < 0.02 || negative > 0.08 {
		t.Errorf("share of names that do not exist: %v in the file, %v of the questions, want about 0.05", negative, negatives(questions))
	}

	packed, err := pack(questions)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, message := range packed {
		var query dns.Msg
		if err := query.Unpack(message); err != nil || len(query.Question) != 1 || query.RecursionDesired {
			t.Fatalf("query %v: %v", query, err)
		}
		got = append(got, query.Question[0].Name+" "+dns.TypeToString[query.Question[0].Qtype])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestPackRefuses(t *testing.T) {
	if _, err := pack([]question{{name: strings.Repeat("x", 64) + "."}}); err == nil {
		t.Error("a label of 64 bytes was packed")
	}
}

// TestWriteFails has no room for all.
func TestWriteFails(t *testing.T) {
	if _, err := (content{names: 1, pools: 1}).write(full512{}, steeredMix, 1000); err == nil {
		t.Error("questions that could not be written are no error")
	}
	if err := (content{names: 1000}).writeMaster(full512{}); err == nil {
		t.Error("a master file that could not be written is no error")
	}
}

// full512 takes no more than 512 bytes at once.
type full512 struct{}

func (full512) Write(p []byte) (int, error) {
	if len(p) > 512 {
		return 512, fmt.Errorf("no room for %d bytes", len(p))
	}
	return len(p), nil
}

func TestJudge(t *testing.T) {
	c := content{names: 5, pools: 5}
	ns := apexNS()
	slices.Reverse(ns.data)
	either := c.ask(0, dns.TypeA)
	either.or = [][]string{{"127.1.0.2"}}
	for _, test := range []struct {
		name     string
		question question
		reply    string // "RCODE flags" and records
		right    bool
	}{
		{"the address", c.ask(0, dns.TypeA), "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.1", true},
		{"in other case", c.ask(0, dns.TypeA), "NOERROR aa\nN0000000.Gslb.example.com. 20 A 127.1.0.1", true},
		{"the IPv6 address", c.ask(4, dns.TypeAAAA), "NOERROR aa\nn0000004.gslb.example.com. 20 AAAA fd00:1::5", true},
		{"nameservers in any order", ns, "NOERROR aa\ngslb.example.com. 20 NS ns1.gslb.example.com.\ngslb.example.com. 20 NS ns2.gslb.example.com.", true},
		{"no such name", nonexistent("x"), "NXDOMAIN aa", true},

		{"one of two", either, "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.1", true},
		{"the other of two", either, "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.2", true},

		{"none of two", either, "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.3", false},
		{"both of two", either, "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.1\nn0000000.gslb.example.com. 20 A 127.1.0.2", false},
		{"another address", c.ask(0, dns.TypeA), "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.2", false},
		{"another owner", c.ask(0, dns.TypeA), "NOERROR aa\nn0000001.gslb.example.com. 20 A 127.1.0.1", false},
		{"another TTL", c.ask(0, dns.TypeA), "NOERROR aa\nn0000000.gslb.example.com. 21 A 127.1.0.1", false},
		{"an address too many", c.ask(0, dns.TypeA), "NOERROR aa\nn0000000.gslb.example.com. 20 A 127.1.0.1\nn0000000.gslb.example.com. 20 A 127.1.0.2", false},
		{"no address", c.ask(0, dns.TypeA), "NOERROR aa", false},
		{"refused", c.ask(0, dns.TypeA), "REFUSED", false},
		{"refused instead of no such name", nonexistent("x"), "REFUSED", false},
		{"without authority", nonexistent("x"), "NXDOMAIN", false},
		{"truncated", c.ask(0, dns.TypeA), "NOERROR aa tc", false},
	} {
		lines := strings.Split(test.reply, "\n")
		header := strings.Fields(lines[0])
		reply := &dns.Msg{MsgHdr: dns.MsgHdr{
			Rcode: dns.StringToRcode[header[0]], Authoritative: slices.Contains(header, "aa"), Truncated: slices.Contains(header, "tc"),
		}}
		for _, line := range lines[1:] {
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Fatal(err)
			}
			reply.Answer = append(reply.Answer, rr)
		}
		if err := test.question.judge(reply); (err == nil) != test.right {
			t.Errorf("%s: judge = %v", test.name, err)
		}
	}
}
