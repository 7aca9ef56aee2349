package udp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"gslb/server/meter"
	"gslb/server/respond"
)

// batch is the memory of one goroutine that reads and sends many datagrams at once. The kernel
// reads and writes it between recv and send, by the pointers in the headers: nothing in it may
// move, so that it is never copied.
//
// The memory that a usual batch uses lies close together: a system call evicts most of the
// processor's caches, and above all its address translations (TLB).
type batch struct {
	in, out [batchSize]mmsghdr
	inVec   [batchSize][2]unix.Iovec // a beginning, and what is longer
	outVec  [batchSize]unix.Iovec
	from    [batchSize]unix.RawSockaddrInet6 // large enough for IPv4's as well
	control [batchSize][controlSize]byte
	heads   []byte // the beginnings of datagrams; most datagrams are no longer
	longs   []byte // the others, each behind room for its beginning
	replies []byte
	zones   [batchSize]*meter.Zone // that the replies are counted for
	sampled [batchSize]sampled     // for the query log
	used    int                    // of the headers in in, since they were made ready
	poll    [2]unix.PollFd
}

const (
	batchSize = 64
	headSize  = 512
	// longSize is how much of a datagram is read. A usual query is never as long: our OPT
	// advertises 1232 bytes. The rest is ignored, and a message that is cut by this is answered
	// FORMERR, so that every query gets a reply (RFC 8906).
	longSize = 4 << 10
	// controlSize has room for the control message with the address that was asked.
	controlSize = 64
)

// sampled is a datagram that goes to the query log, and what became of it.
type sampled struct {
	place int
	reply []byte // nil: there was none
	zone  string
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	size uint32 // of the datagram
}

// The kernel expects an array without gaps.
const _ = -(unsafe.Sizeof(mmsghdr{}) % unsafe.Alignof(unix.Msghdr{}))

func newBatch() *batch {
	b := &batch{
		heads:   make([]byte, batchSize*headSize),
		longs:   make([]byte, batchSize*longSize),
		replies: make([]byte, batchSize*respond.ReplyRoom),
		used:    batchSize,
	}
	for i := range batchSize {
		b.inVec[i][0].Base = &b.heads[i*headSize]
		b.inVec[i][0].SetLen(headSize)
		b.inVec[i][1].Base = &b.longs[i*longSize+headSize]
		b.inVec[i][1].SetLen(longSize - headSize)
		b.in[i].Name = (*byte)(unsafe.Pointer(&b.from[i]))
		b.in[i].Iov = &b.inVec[i][0]
		b.in[i].SetIovlen(len(b.inVec[i]))
		b.in[i].Control = &b.control[i][0]
		b.out[i].Iov = &b.outVec[i]
		b.out[i].SetIovlen(1)
	}
	return b
}

// datagram is what was received in place i.
func (b *batch) datagram(i int) []byte {
	size := int(b.in[i].size)
	head := b.heads[i*headSize:][:headSize]
	if size <= headSize {
		return head[:size]
	}
	long := b.longs[i*longSize:][:size]
	copy(long, head)
	return long
}

// port is the port that a datagram came from. It lies at the same place for both families, in network
// byte order.
func (b *batch) port(i int) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&b.from[i].Port))[:])
}

// sender is the address that a datagram came from.
func (b *batch) sender(i int) netip.Addr {
	if from := &b.from[i]; from.Family == unix.AF_INET6 {
		return netip.AddrFrom16(from.Addr).Unmap()
	}
	return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&b.from[i])).Addr)
}

// reply prepares the reply at place, which goes to the sender of datagram i.
func (b *batch) reply(place, i int, out []byte) {
	b.outVec[place].Base = &out[0]
	b.outVec[place].SetLen(len(out))
	header := &b.out[place]
	header.Name, header.Namelen = b.in[i].Name, b.in[i].Namelen
	header.Control, header.Controllen = nil, 0
	if size := int(b.in[i].Controllen); size > 0 && fromAsked(b.control[i][:size]) {
		header.Control = &b.control[i][0]
		header.SetControllen(size)
	}
}

// asked is the address that a datagram was sent to, if its control message says so, as it does at a
// wildcard; otherwise the zero value.
func (b *batch) asked(i int) netip.Addr {
	four, six := packetInfo(b.control[i][:b.in[i].Controllen])
	switch {
	case four != nil:
		return netip.AddrFrom4(four.Addr)
	case six != nil:
		return netip.AddrFrom16(six.Addr).Unmap()
	}
	return netip.Addr{}
}

// fromAsked turns the control message of a received datagram, in place, into the one that makes the
// reply leave from the address the datagram was sent to: at a wildcard the kernel would choose by
// the route back, and a client accepts no reply from an address that it did not ask. It returns
// false if the message has no such address.
func fromAsked(control []byte) bool {
	switch four, six := packetInfo(control); {
	case four != nil:
		// The address is there already. The route decides the interface.
		four.Ifindex = 0
		return true
	case six != nil:
		asked := netip.AddrFrom16(six.Addr)
		if !asked.IsLinkLocalUnicast() {
			six.Ifindex = 0
		}
		return !asked.IsMulticast()
	}
	return false
}

// packetInfo is what a control message says of the address that a datagram was sent to: one of the
// two, or neither.
func packetInfo(control []byte) (*unix.Inet4Pktinfo, *unix.Inet6Pktinfo) {
	if len(control) < unix.SizeofCmsghdr {
		return nil, nil
	}
	header := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	data := control[unix.CmsgLen(0):]
	switch {
	case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		return (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])), nil
	case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		return nil, (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
	}
	return nil, nil
}
