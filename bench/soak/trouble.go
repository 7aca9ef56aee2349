package soak

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// garbage sends this server random datagrams, and queries with random content, until ctx ends.
func garbage(ctx context.Context, server netip.AddrPort) error {
	conn, err := net.Dial("udp", server.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	packet := make([]byte, 600)
	return every(ctx, 5*time.Millisecond, func() error {
		_, _ = rand.Read(packet)
		size := mathrand.N(len(packet))
		if mathrand.N(2) == 0 { // a query's flags, and one question
			copy(packet[2:], []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, byte(mathrand.N(2))})
		}
		_, _ = conn.Write(packet[:size]) // an ICMP error of the datagram before is no reason to stop
		return nil
	})
}

// lingerers is how many connections are held open, and do nothing, or nothing sensible.
const lingerers = 40

// linger holds TCP connections to this server open in ways that a client should not: it sends
// nothing, half a message, garbage, or queries of which it reads no answer.
func linger(ctx context.Context, server netip.AddrPort, query []byte) error {
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	framed := append([]byte{byte(len(query) >> 8), byte(len(query))}, query...)
	return every(ctx, 100*time.Millisecond, func() error {
		if len(open) == lingerers {
			open[0].Close()
			open = open[1:]
		}
		conn, err := net.DialTimeout("tcp", server.String(), time.Second)
		if err != nil {
			return nil // the server may refuse a client that misbehaves
		}
		open = append(open, conn)
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		switch mathrand.N(4) {
		case 1:
			_, _ = conn.Write(framed[:len(framed)/2])
		case 2:
			_, _ = io.CopyN(conn, rand.Reader, 1<<10)
		case 3:
			for range 1000 {
				if _, err := conn.Write(framed); err != nil {
					break
				}
			}
		}
		return nil
	})
}

// browse reads from the admin server, both quickly and so slowly that the server should give up.
func browse(ctx context.Context, base string) error {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	paths := []string{"/", "/api/status", "/api/status?limit=100000", "/metrics", "/api/events", "/nothing"}
	var slow []net.Conn
	defer func() {
		for _, conn := range slow {
			conn.Close()
		}
	}()
	number := 0
	return every(ctx, time.Second, func() error {
		path := paths[number%len(paths)]
		number++
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil { // a refusal is not a failure
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		if len(slow) == 10 {
			slow[0].Close()
			slow = slow[1:]
		}
		conn, err := net.DialTimeout("tcp", request.URL.Host, time.Second)
		if err != nil {
			return nil
		}
		slow = append(slow, conn)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, request.URL.Host) // and reads nothing
		return nil
	})
}

// every calls f at once and then again and again, until it fails or ctx ends.
func every(ctx context.Context, interval time.Duration, f func() error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
