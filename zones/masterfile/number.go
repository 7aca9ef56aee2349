package masterfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

var (
	asUint8  = form{read: (*builder).uint8, size: octets(1)}
	asUint16 = form{read: (*builder).uint16, size: octets(2)}
	asUint32 = form{read: (*builder).uint32, size: octets(4)}
	asPeriod = form{read: (*builder).period, size: octets(4)}
)

func (b *builder) uint8(what string) { b.out = append(b.out, byte(b.number(what, 8))) }

func (b *builder) uint16(what string) {
	b.out = binary.BigEndian.AppendUint16(b.out, uint16(b.number(what, 16)))
}

func (b *builder) uint32(what string) {
	b.out = binary.BigEndian.AppendUint32(b.out, uint32(b.number(what, 32)))
}

// number reads a number of so many bits.
func (b *builder) number(what string, bits int) uint64 {
	f, ok := b.next(what)
	if !ok {
		return 0
	}
	n, ok := parseUint(f.text, bits)
	if !ok || f.quoted {
		b.fail(what, fmt.Errorf("found %s; expected a number from 0 to %d", f, uint64(1)<<bits-1))
	}
	return n
}

// word reads a number of so many bits, or a word that stands for one.
func (b *builder) word(what string, bits int, words map[string]uint16, example string) uint16 {
	f, ok := b.next(what)
	if !ok {
		return 0
	}
	n, ok := parseUint(f.text, bits)
	if !ok {
		var word uint16
		word, ok = words[upper(f.text)]
		n = uint64(word)
	}
	if !ok || f.quoted {
		b.fail(what, fmt.Errorf("found %s; expected a number from 0 to %d, or a word such as %s", f, uint64(1)<<bits-1, example))
	}
	return uint16(n)
}

// period reads a time in seconds.
func (b *builder) period(what string) {
	if f, ok := b.next(what); ok {
		seconds, err := parsePeriod(f)
		if err != nil {
			b.fail(what, err)
		}
		b.out = binary.BigEndian.AppendUint32(b.out, seconds)
	}
}

// parseUint reads a decimal number of at most so many bits.
func parseUint(text []byte, bits int) (n uint64, ok bool) {
	for _, c := range text {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
		if n > 1<<bits-1 {
			return 0, false
		}
	}
	return n, len(text) > 0
}

// MaxTTL is the longest TTL there is, in seconds (RFC 2181, section 8).
const MaxTTL = math.MaxInt32

var errNoPeriod = errors.New(`expected seconds, or a time such as "1h30m"`)

// parsePeriod reads a time in seconds, or in the units that BIND brought in: weeks, days,
// hours, minutes and seconds, as in 1w2d3h4m5s.
func parsePeriod(f field) (uint32, error) {
	var sum, n uint64
	digits := false
	for i, c := range f.text {
		if isDigit(c) {
			n = n*10 + uint64(c-'0')
			digits = true
		} else {
			unit := secondsPer(c)
			if unit == 0 || !digits {
				return 0, fmt.Errorf("found %s; %w", f, errNoPeriod)
			}
			sum += n * unit
			n, digits = 0, false
		}
		if n > math.MaxUint32 || sum > math.MaxUint32 {
			return 0, fmt.Errorf("found %s; expected at most %d seconds", f, MaxTTL)
		}
		if i == len(f.text)-1 && digits {
			sum += n
		}
	}
	switch {
	case len(f.text) == 0 || f.quoted:
		return 0, fmt.Errorf("found %s; %w", f, errNoPeriod)
	case sum > math.MaxUint32:
		return 0, fmt.Errorf("found %s; expected at most %d seconds", f, MaxTTL)
	}
	return uint32(sum), nil
}

// secondsPer is the length of a unit; 0: it is none.
func secondsPer(unit byte) uint64 {
	switch unit {
	case 's', 'S':
		return 1
	case 'm', 'M':
		return 60
	case 'h', 'H':
		return 60 * 60
	case 'd', 'D':
		return 24 * 60 * 60
	case 'w', 'W':
		return 7 * 24 * 60 * 60
	default:
		return 0
	}
}
