package server

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// fromWhere turns the control message of a received datagram into the one that makes the
// reply leave from the address the datagram was sent to: at a wildcard the kernel would
// choose by the route back, and a client takes no reply from an address it did not ask.
// Without a control message, or where the datagram was sent to a group, there is none.
func fromWhere(oob []byte) []byte {
	if len(oob) == 0 {
		return nil
	}
	asked, ifIndex := destination(oob)
	switch {
	case asked == nil || asked.IsMulticast():
		return nil
	case asked.To4() != nil:
		// The same for the IPv4 clients of an IPv6 socket.
		return (&ipv4.ControlMessage{Src: asked}).Marshal()
	case asked.IsLinkLocalUnicast():
		return (&ipv6.ControlMessage{Src: asked, IfIndex: ifIndex}).Marshal()
	default:
		return (&ipv6.ControlMessage{Src: asked}).Marshal()
	}
}

// destination is the address that a datagram was sent to, and the index of the interface
// that it came in by.
func destination(oob []byte) (net.IP, int) {
	var six ipv6.ControlMessage
	if six.Parse(oob) == nil && six.Dst != nil {
		return six.Dst, six.IfIndex
	}
	var four ipv4.ControlMessage
	if four.Parse(oob) == nil && four.Dst != nil {
		return four.Dst, four.IfIndex
	}
	return nil, 0
}
