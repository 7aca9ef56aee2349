package tap

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// ring is a queue of records with one writer and one reader, who never wait for each other. The
// writer owns the bytes from head on, up to those that the reader has not given back yet: those from
// tail to head. head and tail count bytes, and never wrap. A record lies in one piece: where it would
// go over the end of the buffer, the rest is skipped.
//
// A record is a multiple of align bytes:
//
//	 0  size of the record; skipped: the next one is at the beginning of the buffer
//	 4  flags
//	 6  size of the zone's name
//	 8  size of the query
//	12  size of the reply
//	16  when it was asked, in nanoseconds of Unix time
//	24  when it was answered
//	32  address of the client
//	48  address that it asked
//	64  port of the client
//	66  port that it asked
//	68  the zone's name, the query, the reply
type ring struct {
	buf  []byte
	full chan<- struct{} // told, if it has room, when the buffer is half full
	head atomic.Uint64

	_    [64]byte // another line of the processor's cache
	tail atomic.Uint64
}

// ringSize is the size of a worker's queue: some 2,000 queries with their replies, or three replies of
// the greatest size. It is taken from the system as it is used.
const ringSize = 512 << 10

const (
	headerSize = 68
	align      = 8
	skipped    = 1<<32 - 1
)

// The flags of a record.
const (
	isQuery    = 1 << iota // the query is reported
	isResponse             // the reply is reported
	isTCP
)

// newRing makes a ring; size is a multiple of align.
func newRing(size int, full chan<- struct{}) *ring { return &ring{buf: make([]byte, size), full: full} }

// put adds a record of what a recorder has taken, and reports whether there was room.
func (r *ring) put(m *Message, query, response bool, by *Recorder) bool {
	var zone string
	var question, reply []byte
	flags := uint16(0)
	if query {
		flags |= isQuery
		question = m.Query
	}
	if response && m.Reply != nil {
		flags |= isResponse
		zone, reply = m.Zone, m.Reply
	}
	if by.overTCP {
		flags |= isTCP
	}
	server := m.Server
	if !server.IsValid() {
		server = by.at.Addr()
	}
	size := headerSize + len(zone) + len(question) + len(reply)
	size = (size + align - 1) &^ (align - 1)
	rec := r.reserve(size)
	if rec == nil {
		return false
	}
	order := binary.LittleEndian
	order.PutUint32(rec, uint32(size))
	order.PutUint16(rec[4:], flags)
	order.PutUint16(rec[6:], uint16(len(zone)))
	order.PutUint32(rec[8:], uint32(len(question)))
	order.PutUint32(rec[12:], uint32(len(reply)))
	order.PutUint64(rec[16:], uint64(m.Asked.UnixNano()))
	order.PutUint64(rec[24:], uint64(m.Answered.UnixNano()))
	client, asked := m.Client.Addr().As16(), server.As16()
	copy(rec[32:], client[:])
	copy(rec[48:], asked[:])
	order.PutUint16(rec[64:], m.Client.Port())
	order.PutUint16(rec[66:], by.at.Port())
	data := rec[headerSize:]
	data = data[copy(data, zone):]
	data = data[copy(data, question):]
	copy(data, reply)
	r.advance(size)
	return true
}

// reserve returns room for a record of so many bytes; nil: there is none.
func (r *ring) reserve(size int) []byte {
	head, whole := r.head.Load(), uint64(len(r.buf))
	at := head % whole
	skip := uint64(0)
	if rest := whole - at; rest < uint64(size) {
		skip = rest
	}
	if head+skip+uint64(size)-r.tail.Load() > whole {
		return nil
	}
	if skip > 0 {
		binary.LittleEndian.PutUint32(r.buf[at:], skipped)
		r.advance(int(skip))
		at = 0
	}
	return r.buf[at:][:size]
}

// advance hands bytes over to the reader, who is woken when half of the buffer waits for it.
func (r *ring) advance(size int) {
	head, half := r.head.Load(), uint64(len(r.buf))/2
	waiting := head - r.tail.Load()
	r.head.Store(head + uint64(size))
	if waiting <= half && waiting+uint64(size) > half {
		select {
		case r.full <- struct{}{}:
		default:
		}
	}
}

// record is what the reader finds in a ring. Its slices are the ring's.
type record struct {
	flags                  int
	zone, query, reply     []byte
	asked, answered        int64 // nanoseconds of Unix time
	client, server         netip.Addr
	clientPort, serverPort uint16
	size                   int
}

// next returns the oldest record, which stays until done; false: there is none.
func (r *ring) next() (rec record, found bool) {
	head, tail, whole := r.head.Load(), r.tail.Load(), uint64(len(r.buf))
	if head == tail {
		return rec, false
	}
	order := binary.LittleEndian
	at := tail % whole
	if order.Uint32(r.buf[at:]) == skipped {
		tail += whole - at
		r.tail.Store(tail)
		if at = 0; head == tail {
			return rec, false
		}
	}
	rec.size = int(order.Uint32(r.buf[at:]))
	b := r.buf[at:][:rec.size]
	rec.flags = int(order.Uint16(b[4:]))
	rec.asked, rec.answered = int64(order.Uint64(b[16:])), int64(order.Uint64(b[24:]))
	rec.client, rec.clientPort = netip.AddrFrom16([16]byte(b[32:48])).Unmap(), order.Uint16(b[64:])
	rec.server, rec.serverPort = netip.AddrFrom16([16]byte(b[48:64])).Unmap(), order.Uint16(b[66:])
	data := b[headerSize:]
	rec.zone, data = cut(data, int(order.Uint16(b[6:])))
	rec.query, data = cut(data, int(order.Uint32(b[8:])))
	rec.reply, _ = cut(data, int(order.Uint32(b[12:])))
	return rec, true
}

func cut(data []byte, n int) (part, rest []byte) { return data[:n:n], data[n:] }

// done gives the oldest record's room back.
func (r *ring) done(rec record) { r.tail.Add(uint64(rec.size)) }
