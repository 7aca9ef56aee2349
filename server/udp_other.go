//go:build !linux

package server

import "net/netip"

// bindUDP opens one socket for one address: there is no other way here.
func bindUDP(addr netip.AddrPort, family string, limits Limits) ([]udpSocket, error) {
	socket, err := bindPlain(addr, family, limits)
	return []udpSocket{socket}, err
}
