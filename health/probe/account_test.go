package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"gslb/health"
)

// source is a provider of credentials of a test's making.
type source func(context.Context) (aws.Credentials, error)

func (s source) Retrieve(ctx context.Context) (aws.Credentials, error) { return s(ctx) }

func withSource(s source) func(context.Context) (aws.Config, error) {
	return func(context.Context) (aws.Config, error) { return aws.Config{Credentials: s}, nil }
}

// TestDynamoDBCredentials fails to find credentials in every way. None says anything of
// the region.
func TestDynamoDBCredentials(t *testing.T) {
	server := newStandIn(t, replying(200, `{}`))
	untilDone := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name string
		load func(context.Context) (aws.Config, error)
		want want
	}{
		{"no configuration", func(context.Context) (aws.Config, error) { return aws.Config{}, errors.New("profile blue not found") },
			want{health.Indeterminate, "credentials", "profile blue not found"}},
		{"slow configuration", func(ctx context.Context) (aws.Config, error) { return aws.Config{}, untilDone(ctx) },
			want{health.Indeterminate, "credentials", "deadline exceeded"}},
		{"anonymous", func(context.Context) (aws.Config, error) {
			return aws.Config{Credentials: aws.AnonymousCredentials{}}, nil
		},
			want{health.Indeterminate, "credentials", "AnonymousCredentials"}},
		{"no source", func(context.Context) (aws.Config, error) { return aws.Config{}, nil }, want{health.Indeterminate, "credentials", "has no source of them"}},
		{"refused", withSource(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errors.New("no role\nfound") }),
			want{health.Indeterminate, "credentials", "no role found"}},
		{"slow", withSource(func(ctx context.Context) (aws.Credentials, error) { return aws.Credentials{}, untilDone(ctx) }),
			want{health.Indeterminate, "credentials", "deadline exceeded"}},
		{"network of the source", withSource(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
		}),
			want{health.Indeterminate, "credentials", "timeout"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			probe := mustMake(t, Options{AWS: test.load}, specItem(server.URL))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			test.want.check(t, probe(ctx))
			if got := server.requests.Load(); got != 0 {
				t.Errorf("%d requests without credentials", got)
			}
		})
	}
}

// TestSlowCredentials has credentials and the region share a timeout of 2 s. Whoever took
// most of it is to blame.
func TestSlowCredentials(t *testing.T) {
	tests := []struct {
		took time.Duration
		want want
	}{
		{900 * time.Millisecond, want{health.Fail, "timeout", "timeout: waiting for the response"}},
		{1100 * time.Millisecond, want{health.Indeterminate, "credentials", "more than half of the timeout, then: timeout: waiting for the response"}},
	}
	for _, test := range tests {
		t.Run(test.took.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				load := withSource(func(ctx context.Context) (aws.Credentials, error) {
					time.Sleep(test.took)
					config, err := someCredentials(ctx)
					if err != nil {
						return aws.Credentials{}, err
					}
					return config.Credentials.Retrieve(ctx)
				})
				probe := mustMake(t, Options{Dial: pipeTo(hang), AWS: load}, specItem("http://192.0.2.1:8000"))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				test.want.check(t, probe(ctx))
			})
		})
	}
}

// TestClockIsCorrected has a server whose clock is an hour ahead of this host's. It costs
// one probe: the SDK takes the time from the refusal.
func TestClockIsCorrected(t *testing.T) {
	server := newStandIn(t, func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().UTC().Add(time.Hour)
		w.Header().Set("Date", now.Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || now.Sub(signed).Abs() > 5*time.Minute {
			failing(400, commonError+"InvalidSignatureException", "Signature expired: it is now")(w, r)
			return
		}
		replying(200, `{}`)(w, r)
	})
	probe := mustMake(t, Options{AWS: someCredentials}, specItem(server.URL))
	want{health.Indeterminate, "clock", "the clock of this host is off"}.check(t, runPromptly(t, probe))
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, probe))
}

// TestAccount has one configuration loaded for all targets, and again after a failure.
func TestAccount(t *testing.T) {
	server := newStandIn(t, replying(200, `{}`))
	var loads atomic.Int32
	maker := New(Options{AWS: func(ctx context.Context) (aws.Config, error) {
		if loads.Add(1) == 1 {
			return aws.Config{}, errors.New("not yet")
		}
		return someCredentials(ctx)
	}})
	var probes []health.Probe
	for _, id := range []health.TargetID{"table@us-east-1", "table@eu-west-1"} {
		probe, err := maker(health.Target{ID: id, Spec: specItem(server.URL)})
		if err != nil {
			t.Fatal(err)
		}
		probes = append(probes, probe)
	}
	if got := loads.Load(); got != 0 {
		t.Errorf("the Maker loaded %d times", got)
	}
	want{health.Indeterminate, "credentials", "not yet"}.check(t, runPromptly(t, probes[0]))
	for range 2 {
		want{health.Pass, "ok", ""}.check(t, runPromptly(t, probes[0]))
		want{health.Pass, "ok", ""}.check(t, runPromptly(t, probes[1]))
	}
	if got := loads.Load(); got != 2 {
		t.Errorf("loaded %d times, want once in vain and once more", got)
	}
}

// A probe waits for the configuration that another is loading, but not past its own end.
func TestAccountIsNotWaitedForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(func(ctx context.Context) (aws.Config, error) {
			time.Sleep(10 * time.Second)
			return someCredentials(ctx)
		})
		go a.config(t.Context())
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := a.config(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after 2s: %v, want its deadline", err)
		}
		if config, err := a.config(t.Context()); err != nil || config.Credentials == nil {
			t.Errorf("after 10s: %v, want the configuration that was loaded", err)
		}
	})
}

// A source of credentials that does not answer is set up anew, but not before a slow one had
// time to answer in the background.
func TestSilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := 0
		load := func(context.Context) (aws.Config, error) {
			loads++
			return aws.Config{Credentials: source(func(ctx context.Context) (aws.Credentials, error) {
				<-ctx.Done()
				return aws.Credentials{}, ctx.Err()
			})}, nil
		}
		probe := mustMake(t, Options{AWS: load}, specItem("http://192.0.2.1:8000"))
		began := time.Now()
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			want{health.Indeterminate, "credentials", "deadline exceeded"}.check(t, probe(ctx))
			cancel()
			if wanted := 1 + int(time.Since(began)/(slowSource+2*time.Second)); loads > wanted {
				t.Fatalf("loaded %d times within %v", loads, time.Since(began))
			}
		}
		if loads != 2 {
			t.Errorf("loaded %d times within %v, want 2", loads, time.Since(began))
		}
	})
}
