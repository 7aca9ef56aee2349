package tap

import (
	"encoding/binary"
	"net/netip"

	"github.com/dnstap/golang-dnstap"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"
)

// packer makes data frames of Frame Streams, a dnstap message each. It is used by one goroutine. Once
// it has met a zone, packing a message allocates nothing.
type packer struct {
	frame   dnstap.Dnstap
	message dnstap.Message

	// What message points to.
	kind                         dnstap.Message_Type
	family                       dnstap.SocketFamily
	protocol                     dnstap.SocketProtocol
	client, server               [16]byte
	clientPort, serverPort       uint32
	askedSeconds, repliedSeconds uint64
	askedNanos, repliedNanos     uint32

	zones map[string][]byte // names in wire form
}

// mostZones bounds packer.zones. A server with more zones converts some names anew.
const mostZones = 10_000

func newPacker(identity, version string) *packer {
	p := &packer{zones: make(map[string][]byte)}
	p.frame.Identity, p.frame.Version = []byte(identity), []byte(version)
	p.frame.Type, p.frame.Message = dnstap.Dnstap_MESSAGE.Enum(), &p.message
	return p
}

// append appends the frames of a record to out, and returns how many there are.
func (p *packer) append(out []byte, rec *record) (longer []byte, frames int) {
	m := &p.message
	p.protocol = dnstap.SocketProtocol_UDP
	if rec.flags&isTCP != 0 {
		p.protocol = dnstap.SocketProtocol_TCP
	}
	p.family = dnstap.SocketFamily_INET6
	if rec.client.Is4() {
		p.family = dnstap.SocketFamily_INET
	}
	p.askedSeconds, p.askedNanos = uint64(rec.asked/1e9), uint32(rec.asked%1e9)
	p.clientPort, p.serverPort = uint32(rec.clientPort), uint32(rec.serverPort)
	m.Reset()
	m.Type, m.SocketFamily, m.SocketProtocol = &p.kind, &p.family, &p.protocol
	m.QueryAddress, m.QueryPort = address(&p.client, rec.client), &p.clientPort
	m.ResponseAddress, m.ResponsePort = address(&p.server, rec.server), &p.serverPort
	m.QueryTimeSec, m.QueryTimeNsec = &p.askedSeconds, &p.askedNanos
	if rec.flags&isQuery != 0 {
		p.kind = dnstap.Message_AUTH_QUERY
		m.QueryMessage = rec.query
		out = p.appendFrame(out)
		m.QueryMessage = nil
		frames++
	}
	if rec.flags&isResponse != 0 {
		p.kind = dnstap.Message_AUTH_RESPONSE
		p.repliedSeconds, p.repliedNanos = uint64(rec.answered/1e9), uint32(rec.answered%1e9)
		m.ResponseTimeSec, m.ResponseTimeNsec = &p.repliedSeconds, &p.repliedNanos
		m.ResponseMessage, m.QueryZone = rec.reply, p.zone(rec.zone)
		out = p.appendFrame(out)
		frames++
	}
	return out, frames
}

// appendFrame appends the message, behind its size.
func (p *packer) appendFrame(out []byte) []byte {
	start := len(out)
	packed, err := proto.MarshalOptions{}.MarshalAppend(append(out, 0, 0, 0, 0), &p.frame)
	if err != nil {
		return out // only a required field that is missing is an error
	}
	binary.BigEndian.PutUint32(packed[start:], uint32(len(packed)-start-4))
	return packed
}

// address is an address as dnstap has it, in room.
func address(room *[16]byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(room[:0], four[:]...)
	}
	*room = a.As16()
	return room[:]
}

// zone is a zone's name in wire form; nil: there is no zone.
func (p *packer) zone(name []byte) []byte {
	if len(name) == 0 {
		return nil
	}
	if packed, known := p.zones[string(name)]; known {
		return packed
	}
	packed := make([]byte, 255)
	n, err := dns.PackDomainName(string(name), packed, 0, nil, false)
	if err != nil {
		n = 0
	}
	if len(p.zones) >= mostZones {
		clear(p.zones)
	}
	p.zones[string(name)] = packed[:n:n]
	return packed[:n:n]
}
