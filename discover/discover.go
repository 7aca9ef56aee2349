// Package discover keeps files of addresses equal to what a cloud says. Each file is the members_file of a pool,
// which a server watches. It only reads from the cloud.
//
// A cloud's answer may be wrong, and what is in a file is what clients are sent to. So a file is written only if
// there is something to write, and what it held stays whenever the cloud does not answer, answers in part, or
// knows of no load balancer.
package discover

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gslb/internal/files"
)

// Balancer is a load balancer of a cloud.
type Balancer struct {
	ID, Name, Region string
	Tags             []string
	Addresses        []netip.Addr // none while it is being made
	Internal         bool         // its addresses are those of a private network
}

// Wanted says which load balancers are the members of a pool.
type Wanted struct {
	Pool, Tag string
	Region    string // empty: any
}

var (
	wanted  = regexp.MustCompile(`^([A-Za-z0-9_-]+)=([A-Za-z0-9_:-]{1,255})(?:@([a-z0-9-]+))?$`)
	maxFile = int64(4 << 20) // as the configuration takes it
)

// ParseWanted reads POOL=TAG or POOL=TAG@REGION.
func ParseWanted(text string) (Wanted, error) {
	m := wanted.FindStringSubmatch(text)
	if m == nil {
		return Wanted{}, fmt.Errorf("%q is not of the form POOL=TAG or POOL=TAG@REGION, such as nyc=web@nyc3", text)
	}
	return Wanted{Pool: m[1], Tag: m[2], Region: m[3]}, nil
}

func (w Wanted) String() string {
	if w.Region == "" {
		return fmt.Sprintf("tag %s", w.Tag)
	}
	return fmt.Sprintf("tag %s in %s", w.Tag, w.Region)
}

// File is the name of the file of a pool's members.
func (w Wanted) File() string { return w.Pool + ".members" }

// Member is an address, and whose it is.
type Member struct {
	Address netip.Addr
	Name    string
}

// Members picks the members of a pool, in the order of their addresses, and says why load balancers that are
// tagged for it are left out.
//
//	has the tag   in the region   internal   has an address   it is
//	no            any             any        any              not meant
//	yes           no              any        any              not meant
//	yes           yes             yes        any              left out: clients can't reach it
//	yes           yes             no         no               left out: it is being made
//	yes           yes             no         yes              a member by each of its addresses
func Members(w Wanted, all []Balancer) (members []Member, leftOut []string) {
	for _, b := range all {
		switch {
		case !slices.Contains(b.Tags, w.Tag), w.Region != "" && b.Region != w.Region:
		case b.Internal:
			leftOut = append(leftOut, fmt.Sprintf("%s has addresses of a private network only", b.Name))
		case len(b.Addresses) == 0:
			leftOut = append(leftOut, fmt.Sprintf("%s has no address yet", b.Name))
		default:
			for _, addr := range b.Addresses {
				members = append(members, Member{addr, b.Name})
			}
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return a.Address.Compare(b.Address) })
	return slices.CompactFunc(members, func(a, b Member) bool { return a.Address == b.Address }), leftOut
}

// ErrNone is why a file is left as it is: a pool without members would be no pool.
var ErrNone = errors.New("the cloud knows no such load balancer with a public address")

// Change is what becomes of the file of a pool.
type Change struct {
	Wanted
	Path           string
	Added, Removed []netip.Addr
	LeftOut        []string
	Err            error // the file stays as it was

	content []byte // to be written; nil: nothing
}

// Plan compares a file with what the cloud says.
//
//	members found   the file                       what is done
//	none            any                            nothing; ErrNone
//	some            can't be read                  nothing; the error
//	some            holds the same text            nothing
//	some            holds another, or is not there it is replaced
func Plan(w Wanted, dir string, all []Balancer) Change {
	c := Change{Wanted: w, Path: filepath.Join(dir, w.File())}
	members, leftOut := Members(w, all)
	c.LeftOut = leftOut
	if len(members) == 0 {
		c.Err = ErrNone
		return c
	}
	before, err := files.Read(c.Path, maxFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.Err = err
		return c
	}
	content := text(w, members)
	if bytes.Equal(before, content) {
		return c
	}
	c.content = content
	had := addresses(before)
	for _, m := range members {
		if !slices.Contains(had, m.Address) {
			c.Added = append(c.Added, m.Address)
		}
	}
	for _, addr := range had {
		if !slices.ContainsFunc(members, func(m Member) bool { return m.Address == addr }) {
			c.Removed = append(c.Removed, addr)
		}
	}
	return c
}

// leftAfter is how old a temporary file is that no other process still writes.
const leftAfter = time.Hour

// Apply writes the file, if there is something to write. A reader sees the old file or the new one.
func (c *Change) Apply() {
	files.RemoveLeftovers(c.Path, leftAfter)
	if c.Err != nil || c.content == nil {
		return
	}
	if _, err := files.Replace(readable{}, c.Path, c.content); err != nil {
		c.Err = fmt.Errorf("write %s: %w", c.Path, err)
	}
}

// Changed reports whether there is, or was, something to write.
func (c *Change) Changed() bool { return c.content != nil }

// readable makes files that the server may read, which has a user of its own.
type readable struct{ files.OS }

// CreateTemp implements files.System.
func (readable) CreateTemp(dir, pattern string) (files.SystemFile, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// text is the content of a file. It depends on nothing but the members, so that a server reloads only if they
// have changed.
func text(w Wanted, members []Member) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The load balancers with %s. gslb discover writes this file: changes by hand are lost.\n", w)
	for _, m := range members {
		fmt.Fprintf(&b, "%s # %s\n", m.Address, printable(m.Name))
	}
	return b.Bytes()
}

// printable keeps a name that somebody chose on its line.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}

// addresses are those of a file that was written before, by whomever.
func addresses(text []byte) (list []netip.Addr) {
	for line := range bytes.Lines(text) {
		word, _, _ := bytes.Cut(line, []byte("#"))
		if addr, err := netip.ParseAddr(string(bytes.TrimSpace(word))); err == nil {
			list = append(list, addr)
		}
	}
	return list
}
