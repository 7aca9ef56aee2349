package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"gslb/server"
)

// watchdog says to the service manager that this process works, so that one that does not is restarted. It never
// says so by the clock alone. In each round
//
//	at each address      over TCP, one query is answered
//	                     over UDP, 4 queries for each worker are answered, each from a port of its own
//	the publisher        answers
//
// The kernel spreads ports over the workers, so that 98 rounds of 100 meet a certain one. A server that has too much
// to do loses queries, and the rate limit drops replies, these as well. Therefore each is repeated, and an address
// at which every worker has dealt with queries since the round began works, whatever became of these.
type watchdog struct {
	every  time.Duration // for a round; the service manager waits several times as long
	server *server.Server
	alive  func(context.Context) error // of the publisher
	zone   func() string               // that is asked for
	tell   func(what string) (told <-chan struct{})
	logger *slog.Logger
}

// rounds is how many there are in the time after which the service manager takes a process for dead. From the
// beginning of one to the end of the next there is half of that time.
const rounds = 4

// watchdog makes the part that speaks to the service manager's watchdog, if it has one, while the program serves.
func (p *program) watchdog(serving context.Context) func(context.Context) error {
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		p.logger.Warn("the service manager's watchdog is not told anything", "error", err)
	}
	if err != nil || limit == 0 {
		return func(context.Context) error { return nil }
	}
	w := &watchdog{
		every: limit / rounds, server: p.server, alive: p.publisher.Alive, tell: notify, logger: p.logger,
		zone: func() string {
			for _, zone := range p.config.Current().Zones {
				return zone.Name
			}
			return "."
		},
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(serving, cancel)()
		return w.Run(ctx)
	}
}

// Run makes rounds until ctx ends.
func (w *watchdog) Run(ctx context.Context) error {
	select {
	case <-w.server.Working():
	case <-ctx.Done():
		return nil
	}
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	read := make(chan struct{})
	close(read)
	var told <-chan struct{} = read
	for {
		err := w.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.logger.Error("this server does not get its own answers: unless that ends, the service manager restarts it", "error", err)
		default:
			select {
			case <-told:
				told = w.tell(systemd.SdNotifyWatchdog)
			default: // the service manager does not read, and has the word before still to come
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// round returns nil if everything works.
func (w *watchdog) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.every)
	defer cancel()
	own := ownAddresses()
	query := new(dns.Msg).SetQuestion(dns.Fqdn(w.zone()), dns.TypeSOA)
	query.SetEdns0(dns.DefaultMsgSize, false)
	var secret [8]byte
	_, _ = rand.Read(secret[:]) // never fails
	query.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(secret[:])}}
	var all errgroup.Group
	all.Go(func() error {
		if err := w.alive(ctx); err != nil {
			return fmt.Errorf("what was decided is not published: %w", err)
		}
		return nil
	})
	for place, addr := range w.server.Addrs() {
		if at := toAsk(addr, own); at.IsValid() {
			all.Go(func() error { return w.ask(ctx, place, at, query.Copy()) })
		}
	}
	return all.Wait()
}

// ask returns nil if the server answers at an address.
func (w *watchdog) ask(ctx context.Context, place int, at netip.AddrPort, query *dns.Msg) error {
	began := w.server.Worked(place)
	reply, err := askOverTCP(ctx, at, query)
	if err != nil {
		return fmt.Errorf("%s over TCP: %w", at, err)
	}
	// With the cookie of that reply, the queries over UDP do not count for the rate limit.
	if opt := reply.IsEdns0(); opt != nil {
		for _, option := range opt.Option {
			if c, is := option.(*dns.EDNS0_COOKIE); is {
				query.IsEdns0().Option = []dns.EDNS0{c}
			}
		}
	}
	for range 4 * len(began) {
		answered, err := w.askOverUDP(ctx, place, at, query, began)
		if err != nil {
			return fmt.Errorf("%s over UDP: %w", at, err)
		}
		if !answered {
			return nil // all workers have worked
		}
	}
	return nil
}

// askOverTCP asks once. The reply is empty if the server closes the connection, as it does when there are too many:
// then it works, too.
func askOverTCP(ctx context.Context, at netip.AddrPort, query *dns.Msg) (*dns.Msg, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	reply, err := exchange(&dns.Conn{Conn: conn}, query)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return new(dns.Msg), nil
	}
	return reply, err
}

// repeatAfter is how long a query over UDP waits for its reply, at most.
const repeatAfter = 500 * time.Millisecond

// askOverUDP repeats a query, from one port, until there is a reply, or every worker has worked.
func (w *watchdog) askOverUDP(ctx context.Context, place int, at netip.AddrPort, query *dns.Msg, began []uint64) (answered bool, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", at.String())
	if err != nil {
		return false, err
	}
	defer conn.Close()
	wait := min(w.every/8, repeatAfter)
	again := time.NewTicker(wait)
	defer again.Stop()
	for {
		_ = conn.SetDeadline(time.Now().Add(wait))
		_, err := exchange(&dns.Conn{Conn: conn, UDPSize: dns.DefaultMsgSize}, query)
		if err == nil || allMore(w.server.Worked(place), began) {
			return err == nil, nil
		}
		prod(ctx, at, query, 4*len(began))
		select {
		case <-again.C:
		case <-ctx.Done():
			return false, err
		}
	}
}

// prod gives each worker something to do, by queries from other ports, whose replies nobody waits for.
func prod(ctx context.Context, at netip.AddrPort, query *dns.Msg, n int) {
	for range n {
		if conn, err := new(net.Dialer).DialContext(ctx, "udp", at.String()); err == nil {
			_ = (&dns.Conn{Conn: conn}).WriteMsg(query)
			_ = conn.Close()
		}
	}
}

func exchange(conn *dns.Conn, query *dns.Msg) (*dns.Msg, error) {
	query.Id = dns.Id()
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	reply, err := conn.ReadMsg()
	if err == nil && (reply.Id != query.Id || !reply.Response) {
		err = errors.New("the reply is of another query")
	}
	return reply, err
}

// allMore says whether all counts have grown.
func allMore(counts, before []uint64) bool {
	for i := range counts {
		if counts[i] == before[i] {
			return false
		}
	}
	return true
}

// ownAddresses is all that the interfaces of this machine have; nil: that is not known.
func ownAddresses() map[netip.Addr]bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	own := make(map[netip.Addr]bool)
	for _, address := range list {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			own[prefix.Addr().Unmap().WithZone("")] = true
		}
	}
	return own
}

// toAsk is where a server can be asked from its own machine that listens at an address; the zero value: nowhere.
//
//	it listens at            asked is
//	0.0.0.0                  127.0.0.1, if the machine has that
//	::                       ::1, likewise
//	an address that it has   that
//	one that has moved away  nothing: clients do not come here by it
func toAsk(listen netip.AddrPort, own map[netip.Addr]bool) netip.AddrPort {
	ip := listen.Addr()
	switch ip {
	case netip.IPv4Unspecified():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		ip = netip.IPv6Loopback()
	}
	loopback4 := ip.Is4() && ip.IsLoopback() && own[netip.AddrFrom4([4]byte{127, 0, 0, 1})] // all of 127.0.0.0/8
	if own != nil && !own[ip.WithZone("")] && !loopback4 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, listen.Port())
}
