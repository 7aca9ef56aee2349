//go:build integration

package parts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// pings sends ICMP echo requests from a host, and returns an error if none is answered.
func pings(ctx context.Context, from *Host, to string) error {
	_, err := from.Output(ctx, "ping", "-n", "-c", "1", "-W", "1", to)
	return err
}

func TestNetwork(t *testing.T) {
	network := NetworkForTest(t)
	ctx := t.Context()
	one, err := network.AddHost(ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := network.AddHost(ctx, "two")
	if err != nil {
		t.Fatal(err)
	}
	both := func(context.Context) error {
		return errors.Join(pings(ctx, one, two.IPv4.String()), pings(ctx, one, two.IPv6.String()))
	}
	if err := Until(ctx, "the hosts reach each other", both); err != nil {
		t.Fatal(err)
	}
	if err := two.Cut(ctx); err != nil {
		t.Fatal(err)
	}
	if pings(ctx, one, two.IPv4.String()) == nil || pings(ctx, one, two.IPv6.String()) == nil {
		t.Error("a host that is cut answers")
	}
	if err := two.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	if err := Until(ctx, "the host is reached again", both); err != nil {
		t.Error(err)
	}
	// What a host listens on is reached from here, and nothing else of it.
	out, err := one.Output(ctx, "ip", "-o", "addr")
	if err != nil || !strings.Contains(out, one.IPv4.String()) || strings.Contains(out, two.IPv4.String()) {
		t.Errorf("the host's addresses: %v\n%s", err, out)
	}
}

func TestNetworkLoss(t *testing.T) {
	network := NetworkForTest(t)
	ctx := t.Context()
	host, err := network.AddHost(ctx, "lossy")
	if err != nil {
		t.Fatal(err)
	}
	here := addressOn(networkIPv4, 1).String()
	if err := Until(ctx, "the host reaches us", func(context.Context) error { return pings(ctx, host, here) }); err != nil {
		t.Fatal(err)
	}
	// Of 400 pings that are lost at 20 % each way, 256 are answered; 8 is the standard deviation.
	for _, c := range []struct{ percent, low, high int }{{0, 400, 400}, {20, 208, 304}, {100, 0, 0}, {0, 400, 400}} {
		if err := host.Lose(ctx, c.percent); err != nil {
			t.Fatal(err)
		}
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		out, _ := host.Output(limited, "ping", "-n", "-q", "-i", "0.002", "-c", "400", "-W", "1", here)
		cancel()
		var sent, received int
		for line := range strings.Lines(out) {
			if n, _ := fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &received); n == 2 {
				break
			}
		}
		if sent != 400 || received < c.low || received > c.high {
			t.Errorf("%d %% lost: %d of %d pings are answered, want %d to %d\n%s", c.percent, received, sent, c.low, c.high, out)
		}
	}
}
