package queries

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// responder answers checks at the addresses of all pools: with 200, or with 503 for a pool
// that fails.
type responder struct {
	addr   netip.AddrPort
	server *http.Server
	ended  chan struct{}

	mu      sync.Mutex
	failing map[netip.Addr]bool
	failed  time.Time // when a check was first answered with 503 since fail was called
}

func startResponder() (*responder, error) {
	listener, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		return nil, fmt.Errorf("responder: %w", err)
	}
	r := &responder{addr: listener.Addr().(*net.TCPAddr).AddrPort(), ended: make(chan struct{})}
	r.server = &http.Server{Handler: http.HandlerFunc(r.answer), ReadHeaderTimeout: time.Second}
	go func() {
		defer close(r.ended)
		_ = r.server.Serve(listener) // until close
	}()
	return r, nil
}

func (r *responder) close() error {
	err := r.server.Close()
	<-r.ended
	if err != nil {
		return fmt.Errorf("responder: %w", err)
	}
	return nil
}

func (r *responder) answer(w http.ResponseWriter, q *http.Request) {
	pool := q.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).AddrPort().Addr().Unmap()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.failing[pool] {
		return
	}
	if r.failed.IsZero() {
		r.failed = time.Now()
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// fail has the checks of these addresses fail from now on, and no others.
func (r *responder) fail(addrs ...netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = time.Time{}
	r.failing = make(map[netip.Addr]bool)
	for _, addr := range addrs {
		r.failing[addr] = true
	}
}

// failedAt is when a check was first told to fail; zero: none was yet.
func (r *responder) failedAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}
