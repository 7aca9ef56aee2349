//go:build integration

package parts

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestDelegation has unbound find a server through its parent zone, as resolvers do: at
// port 53, which is free in the tests' own network.
func TestDelegation(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	lab := ForTest(t)
	parent, err := lab.StartNSD(ctx, NSDConfig{
		Name: "parent", Listen: netip.MustParseAddrPort("127.0.0.50:5350"), Zone: "example.com.",
		Records: "gslb.example.com. 60 IN NS ns1.gslb.example.com.\nns1.gslb.example.com. 60 IN A 127.0.0.53",
	})
	if err != nil {
		t.Fatal(err)
	}
	child, err := lab.StartNSD(ctx, NSDConfig{
		Name: "child", Listen: netip.MustParseAddrPort("127.0.0.53:53"), Zone: "gslb.example.com.",
		Records: "app 5 IN A 127.0.0.11",
	})
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := lab.StartUnbound(ctx, UnboundConfig{
		Name: "resolver", Listen: netip.MustParseAddrPort("127.0.0.54:53"),
		Stubs:   map[string][]netip.AddrPort{"example.com.": {parent.Listen}},
		Options: []string{"cache-max-ttl: 2"},
	})
	if err != nil {
		t.Fatal(err)
	}

	reply, err := Dig(ctx, resolver.Listen, "app.gslb.example.com", "A")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(reply.Short(), " "); reply.Status != "NOERROR" || got != "127.0.0.11" {
		t.Errorf("through the delegation: %s %q, want 127.0.0.11:\n%s", reply.Status, got, reply.Text)
	}
	referral, err := Ask(ctx, parent.Listen, "app.gslb.example.com", dns.TypeA)
	if err != nil || referral.Authoritative || len(referral.Ns) != 1 || len(referral.Extra) != 1 {
		t.Errorf("the parent answers %v, %v; want a referral with glue", referral, err)
	}

	child.Kill()
	err = Until(ctx, "the resolver notices", func(ctx context.Context) error {
		reply, err := Dig(ctx, resolver.Listen, "app.gslb.example.com", "A")
		if err == nil && reply.Status == "NOERROR" {
			err = fmt.Errorf("it still answers:\n%s", reply.Text)
		} else {
			err = nil
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := Dig(ctx, child.Listen, "+time=1", "app.gslb.example.com", "A"); err == nil {
		t.Error("dig of a server that is gone = nil, want an error")
	}
}

// TestGdnsd has gdnsd fail over from one app server to another, and back.
func TestGdnsd(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	lab := ForTest(t)
	apps := make([]*PHPApp, 2)
	for i, listen := range []string{"127.0.0.11:8000", "127.0.0.12:8000"} {
		var err error
		apps[i], err = lab.StartPHPApp(ctx, PHPAppConfig{Name: fmt.Sprintf("app%d", i), Listen: netip.MustParseAddrPort(listen)})
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := lab.StartGdnsd(ctx, GdnsdConfig{
		Name: "gdnsd", Listen: netip.MustParseAddrPort("127.0.0.53:53"), Zone: "gslb.example.com.", Owner: "app",
		Primary: apps[0].Listen.Addr(), Secondary: apps[1].Listen.Addr(),
		Port: 8000, Path: "/ping", Host: "app.example.com",
		Interval: GdnsdMinInterval, Timeout: GdnsdMinTimeout, Rise: 1, Fall: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := func(app *PHPApp) {
		t.Helper()
		want := app.Listen.Addr()
		if err := Until(ctx, "gdnsd answers "+want.String(), func(ctx context.Context) error {
			reply, err := Ask(ctx, server.Listen, "app.gslb.example.com", dns.TypeA)
			if err != nil {
				return err
			}
			if got := Addresses(reply.Answer); !slices.Equal(got, []netip.Addr{want}) {
				return fmt.Errorf("it answers %v", got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	answers(apps[0])
	apps[0].Kill()
	answers(apps[1])
	if err := apps[0].Start(ctx); err != nil {
		t.Fatal(err)
	}
	answers(apps[0])
}
