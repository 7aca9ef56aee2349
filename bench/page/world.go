package page

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"gslb/integration/parts"
)

// world is what is watched: pools of targets, over which names fail over, and one pool more that has a single
// target, fails when it is told to, and comes first. It is what the templates are filled in with.
type world struct {
	schedule
	Pools   []pool
	Names   []name
	Watched netip.Addr
	Port    uint16
	Dir     string // of what the programs keep

	Listen, Admin netip.AddrPort // of the pages; Listen is gslb's alone

	down   []atomic.Bool // by pool: all of its targets fail
	failed atomic.Bool   // the target that is watched fails
	server *http.Server
}

// schedule is how often everything is done.
type schedule struct {
	Interval time.Duration // of checks
	Fast     time.Duration // of those of targets that change, and of the one that is watched
	Timeout  time.Duration
	Refresh  time.Duration // of the page that is loaded again and again
}

// usual is what is measured with.
func usual() schedule {
	return schedule{Interval: 10 * time.Second, Fast: time.Second, Timeout: 500 * time.Millisecond, Refresh: 5 * time.Second}
}

type pool struct {
	Name    string
	Members []netip.Addr
}

type name struct {
	Name  string
	Pools [2]string
}

const (
	watched = "watched" // the pool, and the name that has it
	zone    = "gslb.example.com"

	// So many of the pools, and of the targets of the others, are down all the time.
	ofPools   = 33
	ofTargets = 20
)

// newWorld starts the targets, all behind one listener. There are as many in each pool.
func newWorld(lab *parts.Lab, dir string, size size) (*world, error) {
	at, err := lab.FreePort(netip.IPv4Unspecified())
	if err != nil {
		return nil, err
	}
	w := &world{
		schedule: size.schedule, Watched: targetAddr(size.targets), Port: at.Port(), Dir: dir,
		Listen: netip.MustParseAddrPort("127.0.0.1:5300"), Admin: netip.MustParseAddrPort("127.0.0.1:8053"),
		down: make([]atomic.Bool, size.pools),
	}
	each := size.targets / size.pools
	for i := range size.pools {
		p := pool{Name: fmt.Sprintf("p%03d", i)}
		for j := range each {
			p.Members = append(p.Members, targetAddr(i*each+j))
		}
		w.Pools = append(w.Pools, p)
		w.down[i].Store(lasting(i))
	}
	for i := range size.names {
		w.Names = append(w.Names, name{fmt.Sprintf("customer-%04d", i), [2]string{w.Pools[i%size.pools].Name, w.Pools[(i+1)%size.pools].Name}})
	}
	listener, err := net.Listen("tcp4", at.String())
	if err != nil {
		return nil, err
	}
	w.server = &http.Server{Handler: http.HandlerFunc(w.serve), ReadHeaderTimeout: time.Second}
	w.server.SetKeepAlivesEnabled(false)
	go w.server.Serve(listener)
	return w, nil
}

// targetAddr is the address of a target: 127.1.0.1 and those that follow it.
func targetAddr(index int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte((index + 1) >> 8), byte(index + 1)})
}

// targetIndex is the opposite of targetAddr.
func targetIndex(addr netip.Addr) int {
	b := addr.Unmap().As4()
	return int(b[2])<<8 + int(b[3]) - 1
}

// lasting reports whether a pool is down all the time.
func lasting(pool int) bool { return pool%ofPools == 5 }

// serve answers for the target that was asked.
func (w *world) serve(out http.ResponseWriter, q *http.Request) {
	at := q.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).AddrPort().Addr()
	index, each := targetIndex(at), len(w.Pools[0].Members)
	fails := w.failed.Load()
	if pool := index / each; pool < len(w.Pools) {
		fails = w.down[pool].Load() || index%ofTargets == 7
	}
	if fails {
		http.Error(out, "down", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(out, "ok")
}

// settle is how long after its start a program has seen of all targets what they are.
func (w *world) settle() time.Duration { return 2 * (w.Interval + w.Fast) }

// change has one pool after the other fail for a while until ctx ends, and then all as they were.
func (w *world) change(ctx context.Context) {
	for i := 0; ; i++ {
		at := i * 7 % len(w.Pools)
		if lasting(at) {
			continue
		}
		w.down[at].Store(true)
		err := pause(ctx, w.Interval*3/2) // each target is probed, and another time soon after
		w.down[at].Store(false)
		if err != nil {
			return
		}
	}
}

func (w *world) close() error { return w.server.Close() }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
