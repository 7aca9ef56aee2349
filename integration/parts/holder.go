package parts

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// holder says which process has bound addr, or an unspecified address with its port:
// "haproxy (process 123)". Processes of other users can be seen by root only.
func holder(network string, addr netip.AddrPort) string {
	const unknown = "another process"
	var inodes []string
	for _, table := range []string{network, network + "6"} {
		inodes = append(inodes, boundInodes(filepath.Join("/proc/thread-self/net", table), addr)...)
	}
	for _, s := range processes() {
		folder := filepath.Join("/proc", strconv.Itoa(s.pid), "fd")
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue // not ours to look into, or ended
		}
		for _, entry := range entries {
			link, _ := os.Readlink(filepath.Join(folder, entry.Name()))
			if inode, ok := strings.CutPrefix(link, "socket:["); ok && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
				return fmt.Sprintf("%s (process %d)", s.name, s.pid)
			}
		}
	}
	return unknown
}

// boundInodes returns the inodes of the sockets in a table like /proc/net/tcp that stand in
// the way of addr. Connections, which have a remote port, do not.
func boundInodes(table string, addr netip.AddrPort) []string {
	file, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer file.Close()
	var inodes []string
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		const local, remote, inode = 1, 2, 9
		fields := strings.Fields(scanner.Text())
		if len(fields) <= inode {
			continue
		}
		bound, err := parseProcAddr(fields[local])
		if err != nil || bound.Port() != addr.Port() || !strings.HasSuffix(fields[remote], ":0000") {
			continue
		}
		if bound.Addr() == addr.Addr() || bound.Addr().IsUnspecified() || addr.Addr().IsUnspecified() {
			inodes = append(inodes, fields[inode])
		}
	}
	return inodes
}

// parseProcAddr reads an address as /proc/net writes it: "0B00007F:1F90" is 127.0.0.11:8080
// on a little-endian machine, where each word of four bytes is turned round.
func parseProcAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q: not words in hexadecimal", s)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q: of no family", s)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: port: %w", s, err)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}
