//go:build integration

package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == RespondCommand {
		if err := Respond(context.Background(), os.Args[2:]); err != nil { // startTargets runs this program
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(parts.Isolated(m.Run))
}

// TestContenders has every program of scale check a hundred targets, and gslb see that one
// of them hangs.
func TestContenders(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := &bench{dir: t.TempDir(), lab: parts.ForTest(t), Report: &figures.Report{Out: io.Discard, Progress: t.Output()}}
	targets, err := b.startTargets(ctx, 100)
	if err != nil {
		t.Fatal(err)
	}
	crowd := b.newCrowd(targets)
	crowd.Interval, crowd.Timeout = parts.GdnsdMinInterval, parts.GdnsdMinTimeout

	var server *parts.GSLB
	gslb, err := b.newGSLB("", crowd, &server)
	if err != nil {
		t.Fatal(err)
	}
	haproxy, err := b.newHAProxy(crowd)
	if err != nil {
		t.Fatal(err)
	}
	gdnsd, err := b.newGdnsd(crowd)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*contender{haproxy, gdnsd, gslb} {
		before, err := targets.accepted(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.start(ctx); err != nil {
			t.Fatal(err)
		}
		err = parts.Until(ctx, c.name+" has checked all targets twice", func(ctx context.Context) error {
			now, err := targets.accepted(ctx)
			if done := now - before; err == nil && done < 2*int64(targets.count) {
				err = fmt.Errorf("%d checks yet", done)
			}
			return err
		})
		if c != gslb {
			err = errors.Join(err, c.part.Stop(ctx))
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	asked := ask(ctx, crowd.Listen, crowd.Names[1].Name+"."+zone)
	defer asked()
	if err := targets.hang(ctx, 1); err != nil {
		t.Fatal(err)
	}
	err = parts.Until(ctx, "the hung target is down and no other", func(ctx context.Context) error {
		series, err := server.Metrics(ctx)
		if err != nil {
			return err
		}
		w := wellbeing{healthy: group{size: 99, right: 99}, hung: group{size: 1, right: 1}}
		if err := w.look(series, 1); err != nil {
			return err
		}
		if w.healthy.right != 99 || w.hung.right != 1 {
			return fmt.Errorf("%+v", w)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := asked(); len(got.took) == 0 || got.took.Quantile(0) <= 0 {
		t.Errorf("of queries meanwhile, %d were answered, %d not", len(got.took), got.lost)
	}
}
