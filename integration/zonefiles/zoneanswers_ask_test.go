//go:build integration

package zonefiles

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// question is one query.
type question struct {
	name  string
	qtype uint16
	edns  bool
	tcp   bool
}

func (q question) overTCP() question {
	q.tcp = true
	return q
}

// pack returns the query as it is sent, with an id of zero.
func (q question) pack() ([]byte, error) {
	const size = 1232 // what gslb sends at most, so that all are told the same
	m := new(dns.Msg).SetQuestion(q.name, q.qtype)
	m.Id, m.RecursionDesired = 0, false
	if q.edns {
		m.SetEdns0(size, false)
	}
	query, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("ask %v: %w", q, err)
	}
	return query, nil
}

func (q question) String() string {
	s := q.name + " " + dns.Type(q.qtype).String()
	if q.edns {
		s += " with EDNS"
	}
	if q.tcp {
		s += " over TCP"
	}
	return s
}

const (
	askBatch   = 32              // queries that are under way at once
	replyWait  = 5 * time.Second // for the replies to a batch
	udpRetries = 3
)

// asker puts questions to each server of a panel. It is for one goroutine.
type asker struct {
	panel  panel
	dialer net.Dialer
	udp    [3]*dns.Conn
	lastID uint16
	buffer []byte // for one reply
}

func newAsker(ctx context.Context, panel panel) (*asker, error) {
	a := &asker{panel: panel, buffer: make([]byte, dns.MaxMsgSize)}
	var err error
	a.udp, err = a.connect(ctx, "udp")
	return a, err
}

func (a *asker) close() { disconnect(a.udp) }

// connect opens a socket to each server.
func (a *asker) connect(ctx context.Context, network string) (conns [3]*dns.Conn, err error) {
	for i, server := range a.panel {
		conn, err := a.dialer.DialContext(ctx, network, server.listen.String())
		if err != nil {
			disconnect(conns)
			return conns, fmt.Errorf("%s: %w", server.name, err)
		}
		conns[i] = &dns.Conn{Conn: conn}
	}
	return conns, nil
}

func disconnect(conns [3]*dns.Conn) {
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// served returns an error unless every server has loaded the zone.
func (a *asker) served(ctx context.Context, origin string) error {
	replies, err := a.ask(ctx, []question{{name: origin, qtype: dns.TypeSOA}})
	if err != nil {
		return fmt.Errorf("zone %s: %w", origin, err)
	}
	for i, reply := range replies[0] {
		if len(reply.answer) != 1 {
			return fmt.Errorf("zone %s: %s does not serve it: %v", origin, a.panel[i].name, reply)
		}
	}
	return nil
}

// ask returns the replies of all servers to each question. The questions over TCP share a
// connection to each server, which is closed afterwards.
func (a *asker) ask(ctx context.Context, questions []question) ([][3]reply, error) {
	replies := make([][3]reply, len(questions))
	queries := make([][]byte, len(questions))
	var overUDP, overTCP []int
	for i, q := range questions {
		var err error
		if queries[i], err = q.pack(); err != nil {
			return nil, err
		}
		if q.tcp {
			overTCP = append(overTCP, i)
		} else {
			overUDP = append(overUDP, i)
		}
	}
	if err := a.exchange(a.udp, queries, overUDP, udpRetries, replies); err != nil {
		return nil, fmt.Errorf("over UDP: %w", err)
	}
	if len(overTCP) == 0 {
		return replies, nil
	}
	tcp, err := a.connect(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	defer disconnect(tcp)
	if err := a.exchange(tcp, queries, overTCP, 0, replies); err != nil {
		return nil, fmt.Errorf("over TCP: %w", err)
	}
	return replies, nil
}

// exchange sends the queries of these indexes, a batch at a time, to all servers at once.
func (a *asker) exchange(conns [3]*dns.Conn, queries [][]byte, indexes []int, retries int, replies [][3]reply) error {
	for batch := range slices.Chunk(indexes, askBatch) {
		var waiting [3]map[uint16]int
		for s, conn := range conns {
			var err error
			if waiting[s], err = a.send(conn, queries, batch); err != nil {
				return fmt.Errorf("%s: %w", a.panel[s].name, err)
			}
		}
		for s, conn := range conns {
			take := func(i int, wire []byte) (err error) {
				replies[i][s], err = newReply(wire, replies[i][:s])
				return err
			}
			if err := a.receive(conn, queries, waiting[s], retries, take); err != nil {
				return fmt.Errorf("%s: %w", a.panel[s].name, err)
			}
		}
	}
	return nil
}

// send sends the queries of these indexes, and returns the indexes by the ids that it gave them.
func (a *asker) send(conn *dns.Conn, queries [][]byte, indexes []int) (waiting map[uint16]int, err error) {
	waiting = make(map[uint16]int, len(indexes))
	for _, i := range indexes {
		a.lastID++
		binary.BigEndian.PutUint16(queries[i], a.lastID)
		if _, err := conn.Write(queries[i]); err != nil {
			return nil, err
		}
		waiting[a.lastID] = i
	}
	return waiting, nil
}

// receive takes replies until none is awaited any more. Queries that got lost are sent again.
func (a *asker) receive(conn *dns.Conn, queries [][]byte, waiting map[uint16]int, retries int, take func(int, []byte) error) error {
	if err := conn.SetReadDeadline(time.Now().Add(replyWait)); err != nil {
		return err
	}
	for len(waiting) > 0 {
		n, err := conn.Read(a.buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) && retries > 0 {
			waiting, err = a.send(conn, queries, slices.Collect(maps.Values(waiting)))
			if err != nil {
				return err
			}
			return a.receive(conn, queries, waiting, retries-1, take)
		}
		if err != nil {
			return fmt.Errorf("%d queries without a reply: %w", len(waiting), err)
		}
		if n < 2 {
			continue
		}
		id := binary.BigEndian.Uint16(a.buffer)
		if i, ok := waiting[id]; ok {
			if err := take(i, a.buffer[:n]); err != nil {
				return err
			}
			delete(waiting, id)
		}
	}
	return nil
}
