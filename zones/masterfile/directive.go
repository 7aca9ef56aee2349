package masterfile

import (
	"errors"
	"fmt"
)

// directive reads an entry that is an instruction for the reader.
func (r *Reader) directive(e *entry, c *context) error {
	name, args := upper(e.fields[0].text), e.fields[1:]
	switch {
	case name == "$TTL" && len(args) == 1:
		return r.defaultTTL(args[0], c)
	case name == "$ORIGIN" && len(args) == 1:
		return setOrigin(args[0], c)
	case name == "$INCLUDE" && (len(args) == 1 || len(args) == 2):
		return r.include(args, c)
	case name == "$GENERATE":
		return r.generate(e, c)
	case name == "$TTL", name == "$ORIGIN", name == "$INCLUDE":
		return fmt.Errorf("found %s with %d values; expected one", name, len(args))
	default:
		return fmt.Errorf("found the directive %s; expected $GENERATE, $INCLUDE, $ORIGIN or $TTL", e.fields[0].text)
	}
}

// defaultTTL sets the TTL of the records that have none.
func (r *Reader) defaultTTL(arg field, c *context) error {
	ttl, err := r.ttl(arg)
	if err != nil {
		return fmt.Errorf("the value of $TTL: %w", err)
	}
	c.ttl, c.fixed = ttl, true
	return nil
}

func setOrigin(arg field, c *context) error {
	origin, err := appendName(nil, arg, c.origin)
	if err != nil {
		return fmt.Errorf("the origin %w", err)
	}
	c.origin = origin
	return nil
}

// ErrInclude is what an error about an $INCLUDE wraps. A text that has one is a master file.
var ErrInclude = errors.New("$INCLUDE")

// include reads another file where it is named.
func (r *Reader) include(args []field, c *context) error {
	if r.Include == nil {
		return errors.New(`found $INCLUDE; expected none here, name a whole master file with file = "…"`)
	}
	name := string(args[0].text)
	if err := r.mayInclude(name, c); err != nil {
		return err
	}
	inner := c.within(name)
	if len(args) == 2 {
		if err := setOrigin(args[1], inner); err != nil {
			return err
		}
	}
	text, err := r.Include(name)
	if err != nil {
		return fmt.Errorf("found %w %s; expected a readable file in the folder of zones.toml: %w", ErrInclude, name, err)
	}
	if !r.room(len(text)) {
		r.octets = r.Limits.Octets // so that no file is read any more
		return fmt.Errorf("found %w %s of %d octets; expected at most %d in all that is included and generated", ErrInclude, name, len(text), r.Limits.Octets)
	}
	r.entries(text, inner)
	return nil
}

// room takes so many octets of the limit, and says whether that was possible.
func (r *Reader) room(octets int) bool {
	if octets > r.Limits.Octets-r.octets {
		return false
	}
	r.octets += octets
	return true
}

// mayInclude says why a file must not be included here. Files that include each other would never
// end, and a few files that each include the next many times would take too long.
func (r *Reader) mayInclude(name string, c *context) error {
	for outer := c; outer != nil; outer = outer.outer {
		if outer.file == name {
			return fmt.Errorf("found %w %s within that file; expected none that includes itself", ErrInclude, name)
		}
	}
	if c.depth >= r.Limits.Depth {
		return fmt.Errorf("found %w %s within %d others; expected at most that many", ErrInclude, name, c.depth)
	}
	if r.included >= r.Limits.Includes {
		return fmt.Errorf("found %w %s after %d others; expected at most that many in all", ErrInclude, name, r.included)
	}
	if r.octets >= r.Limits.Octets {
		return fmt.Errorf("found %w %s after %d octets; expected at most that many in all that is included and generated", ErrInclude, name, r.octets)
	}
	r.included++
	return nil
}
