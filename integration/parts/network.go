package parts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Network is one link with hosts on it, each of which has a network of its own: interfaces,
// routes, neighbours and ports. This program stands on the link too, as the first address of
// each prefix, so that it reaches whatever listens on a host's address. Nothing of it is seen
// from outside, and all is gone with it. It needs root, and a program that runs [Isolated].
//
// Its methods are safe for concurrent use.
type Network struct {
	dir string

	mu    sync.Mutex
	hosts []*Host
}

// Host is one host of a network. What its [Lab] starts runs there.
type Host struct {
	*Lab
	Name string
	IPv4 netip.Addr
	IPv6 netip.Addr
	port string // the bridge's end of the pair that leads to the host
}

// The prefixes of a network, and its bridge, which stands in this program's own namespace.
var (
	networkIPv4 = netip.MustParsePrefix("10.53.0.0/24")
	networkIPv6 = netip.MustParsePrefix("fd53::/64")
)

const (
	bridgeName = "parts0"
	hostLink   = "eth0" // a host's end of the pair that leads to the bridge
)

// NewNetwork makes a network without hosts. The hosts' labs lie in dir. There is one network
// at a time; whoever makes it closes it.
func NewNetwork(ctx context.Context, dir string) (*Network, error) {
	if os.Getenv(insideVar) == "" {
		return nil, errors.New("network: this program does not run in a network namespace of its own: see Isolated")
	}
	// Without snooping, the bridge sends multicast, as of neighbour discovery, at once.
	err := ipCommands(ctx, Output,
		"link add "+bridgeName+" type bridge mcast_snooping 0",
		"addr add "+onLink(networkIPv4, 1)+" dev "+bridgeName,
		"addr add "+onLink(networkIPv6, 1)+" dev "+bridgeName+" nodad",
		"link set "+bridgeName+" up",
	)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return &Network{dir: dir}, nil
}

// AddHost makes a host with the next address of each prefix.
func (n *Network) AddHost(ctx context.Context, name string) (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	thread := newThread()
	var id int
	if err := thread.do(func() error {
		id = unix.Gettid()
		return unix.Unshare(unix.CLONE_NEWNET)
	}); err != nil {
		thread.close()
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	lab, err := newLab(filepath.Join(n.dir, name), thread)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	number := len(n.hosts) + 2
	h := &Host{
		Lab: lab, Name: name, port: "host" + strconv.Itoa(number),
		IPv4: addressOn(networkIPv4, number), IPv6: addressOn(networkIPv6, number),
	}
	n.hosts = append(n.hosts, h)
	err = ipCommands(ctx, Output,
		fmt.Sprintf("link add %s type veth peer name %s netns %d", h.port, hostLink, id),
		"link set "+h.port+" master "+bridgeName+" up",
	)
	if err == nil {
		err = ipCommands(ctx, h.Output, "link set lo up",
			"addr add "+onLink(networkIPv4, number)+" dev "+hostLink,
			"addr add "+onLink(networkIPv6, number)+" dev "+hostLink+" nodad",
			"link set "+hostLink+" up",
		)
	}
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return h, nil
}

// Close stops everything on every host and takes the network away.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for _, h := range n.hosts {
		// With the host's namespace the kernel takes the pair away too, but in its own time.
		errs = append(errs, ipCommands(context.Background(), Output, "link del "+h.port), h.Lab.Close())
	}
	errs = append(errs, ipCommands(context.Background(), Output, "link del "+bridgeName))
	return errors.Join(errs...)
}

// Logs returns what every part on every host has written.
func (n *Network) Logs() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var logs strings.Builder
	for _, h := range n.hosts {
		fmt.Fprintf(&logs, "===> host %s <===\n%s", h.Name, h.Lab.Logs())
	}
	return logs.String()
}

// AddIPv4 gives the host one more address, the number-th of the prefix.
func (h *Host) AddIPv4(ctx context.Context, number int) (netip.Addr, error) {
	return addressOn(networkIPv4, number), ipCommands(ctx, h.Output, "addr add "+onLink(networkIPv4, number)+" dev "+hostLink)
}

// Cut takes the host's interface down: its addresses of IPv6 and its routes go with it.
func (h *Host) Cut(ctx context.Context) error {
	return ipCommands(ctx, h.Output, "link set "+hostLink+" down")
}

// Restore brings a host back that was cut, with its addresses.
func (h *Host) Restore(ctx context.Context) error {
	return ipCommands(ctx, h.Output,
		"link set "+hostLink+" up",
		fmt.Sprintf("addr replace %s/%d dev %s nodad", h.IPv6, networkIPv6.Bits(), hostLink),
	)
}

// Unplug takes the carrier away from the host's interface, which stays up: its addresses and
// routes stay with it.
func (h *Host) Unplug(ctx context.Context) error {
	return ipCommands(ctx, Output, "link set "+h.port+" down")
}

// Plug gives a host that was unplugged its carrier back.
func (h *Host) Plug(ctx context.Context) error {
	return ipCommands(ctx, Output, "link set "+h.port+" up")
}

// Lose loses this percentage, at random, of what the host receives and, apart from that, of
// what it sends. 0 loses nothing any more.
func (h *Host) Lose(ctx context.Context, percent int) error {
	// What the host sends is received by the other end of the pair, in this program's namespace.
	return errors.Join(
		h.loseAt(ctx, h.Output, hostLink, percent),
		h.loseAt(ctx, Output, h.port, percent),
	)
}

// loseAt loses a percentage of what an interface receives.
func (h *Host) loseAt(ctx context.Context, run commandRunner, device string, percent int) error {
	table := "netdev loss-" + device
	rules := []string{"add table " + table, "delete table " + table} // so that there is none, whether or not there was
	if percent > 0 {
		rules = append(rules, "add table "+table,
			fmt.Sprintf("add chain %s in { type filter hook ingress device %s priority 0; }", table, device),
			fmt.Sprintf("add rule %s in numgen random mod 100 <= %d drop", table, percent-1))
	}
	out, err := run(ctx, "nft", strings.Join(rules, "; "))
	if err != nil {
		return fmt.Errorf("host %s: %w: %s", h.Name, err, strings.TrimSpace(out))
	}
	return nil
}

// commandRunner runs a program to its end, in some place, and returns what it writes.
type commandRunner func(ctx context.Context, name string, args ...string) (string, error)

// ipCommands runs commands of ip(8), one after the other, by run.
func ipCommands(ctx context.Context, run commandRunner, lines ...string) error {
	for _, line := range lines {
		if out, err := run(ctx, "ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(out))
		}
	}
	return nil
}

// addressOn is the number-th address of a prefix.
func addressOn(prefix netip.Prefix, number int) netip.Addr {
	addr := prefix.Addr().AsSlice()
	addr[len(addr)-1] = byte(number)
	found, _ := netip.AddrFromSlice(addr)
	return found
}

// onLink is that address with the length of the prefix, as ip(8) wants an interface's.
func onLink(prefix netip.Prefix, number int) string {
	return netip.PrefixFrom(addressOn(prefix, number), prefix.Bits()).String()
}

// Output runs a program to its end where the lab's parts run, and returns what it writes to
// its standard output and error: also with an error, where it exits with another status than 0.
func (l *Lab) Output(ctx context.Context, name string, args ...string) (string, error) {
	path, err := find(name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err = l.thread.do(cmd.Start); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return out.String(), err
}
