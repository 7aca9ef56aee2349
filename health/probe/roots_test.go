package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gslb/health"
)

// rootsIn is roots that are read from these places alone.
func rootsIn(files, folders []string) *roots {
	return &roots{files: files, folders: folders, reading: make(chan struct{}, 1)}
}

// A host without root certificates can't judge those of others. One that had no descriptor
// left to read them with has them at a later probe.
func TestRoots(t *testing.T) {
	ca := newAuthority(t)
	address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, "127.0.0.1", time.Now().Add(time.Hour))}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	own, stranger, none := ca.file(t), newAuthority(t).file(t), filepath.Join(t.TempDir(), "none.pem")
	shortage := func(r *roots) { // as the reading of 300 first probes at once leaves it
		r.now.Store(&trusted{pool: x509.NewCertPool(), err: syscall.EMFILE, read: time.Now().Add(-rootsAgain)})
	}
	tests := []struct {
		name  string
		roots *roots
		had   func(*roots)
		want  want
	}{
		{"none", rootsIn([]string{none}, nil), nil, want{health.Indeterminate, "local", "this host has no root certificates to verify by: install them"}},
		{"others", rootsIn([]string{stranger}, nil), nil, want{health.Fail, "tls", "unknown authority"}},
		{"in a file", rootsIn([]string{none, own}, nil), nil, want{health.Pass, "ok", ""}},
		{"in a file that does not count", rootsIn([]string{stranger, own}, nil), nil, want{health.Fail, "tls", "unknown authority"}},
		{"in a folder", rootsIn([]string{stranger}, []string{filepath.Dir(none), filepath.Dir(own)}), nil, want{health.Pass, "ok", ""}},
		{"not read in a shortage", rootsIn([]string{own}, nil), func(r *roots) {
			r.now.Store(&trusted{pool: x509.NewCertPool(), err: syscall.EMFILE, read: time.Now().Add(time.Hour)})
		}, want{health.Indeterminate, "local", "or not all: too many open files"}},
		{"read after a shortage", rootsIn([]string{own}, nil), shortage, want{health.Pass, "ok", ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newNetwork(new(net.Dialer).DialContext, new(net.Dialer).DialContext, noNameServers)
			n.roots = test.roots
			if test.had != nil {
				test.had(n.roots)
			}
			probe, err := called(newHTTP(n, spec200("https://"+address)))
			if err != nil {
				t.Fatal(err)
			}
			test.want.check(t, runPromptly(t, probe))
		})
	}
}

// TestRootsChange has the files change, as an update of the system's does, and be read again
// no more often than need be.
func TestRootsChange(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	file := first.file(t)
	synctest.Test(t, func(t *testing.T) {
		r := rootsIn([]string{file}, nil)
		before := r.get(t.Context())
		if !before.pool.Equal(first.pool()) || before.err != nil {
			t.Fatalf("at first: %v", before.err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: second.certificate.Raw})
		if err := os.WriteFile(file, append(block, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rootsKept - time.Second)
		if r.get(t.Context()) != before {
			t.Error("it was looked at too early")
		}
		time.Sleep(time.Second)
		after := r.get(t.Context())
		if !after.pool.Equal(second.pool()) {
			t.Error("the change was not noticed")
		}
		time.Sleep(rootsKept)
		if r.get(t.Context()).pool != after.pool {
			t.Error("it was read again without a change")
		}
	})
}

// Whoever reads delays only those who have nothing yet, and them no longer than they can
// wait.
func TestRootsInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rootsIn([]string{newAuthority(t).file(t)}, nil)
		r.reading <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := r.get(ctx); !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("%v, want the end of the wait", got.err)
		}
		<-r.reading

		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := r.get(t.Context()); got.err != nil || got.pool.Equal(x509.NewCertPool()) {
					t.Errorf("nothing was read: %v", got.err)
				}
			})
		}
		all.Wait()

		time.Sleep(2 * rootsKept)
		r.reading <- struct{}{}
		if got, had := r.get(t.Context()), r.now.Load(); got != had {
			t.Error("what is there is not used while it is read again")
		}
	})
}

// TestSystemRoots compares what this system's files hold with what package x509 finds.
func TestSystemRoots(t *testing.T) {
	theirs, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if got := newRoots().get(t.Context()); got.err != nil || !got.pool.Equal(theirs) {
		t.Errorf("the roots differ: %v", got.err)
	}
	ca := newAuthority(t)
	t.Setenv("SSL_CERT_FILE", ca.file(t))
	t.Setenv("SSL_CERT_DIR", strings.Join([]string{t.TempDir(), t.TempDir()}, ":"))
	if got := newRoots().get(t.Context()); !got.pool.Equal(ca.pool()) {
		t.Error("the environment does not name them")
	}
}
