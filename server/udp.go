package server

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
)

// udpSocket is one UDP socket, on its own or as one of several that share an address and
// among which the kernel spreads the clients.
type udpSocket interface {
	// serve answers until ctx ends, then what the socket still holds, and closes it.
	serve(ctx context.Context, u *udpServer)
	// Close gives up a socket that is never served.
	Close() error
}

// udpServer answers at the UDP sockets of one listening address.
type udpServer struct {
	sockets      []udpSocket
	limits       Limits
	logger       *slog.Logger
	newResponder func() *responder
}

func (u *udpServer) run(ctx context.Context) {
	var serving sync.WaitGroup
	for _, socket := range u.sockets {
		serving.Go(func() { socket.serve(ctx, u) })
	}
	serving.Wait()
}

func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}
