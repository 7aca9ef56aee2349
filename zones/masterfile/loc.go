package masterfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// What the data of a LOC record consists of (RFC 1876, section 2).
const (
	thousandths = 1000             // of a second of arc
	equator     = 1 << 31          // also the prime meridian, in thousandths
	depth       = 100_000_00       // how far below the ellipsoid altitudes begin, in centimetres
	maxSize     = 90_000_000 * 100 // of a sphere and a precision, in centimetres
)

var asLocation = form{read: (*builder).location, size: locationSize}

// location reads the data of a LOC record (RFC 1876, section 3): latitude, longitude and
// altitude, then perhaps the size of what is there and how precise all that is.
func (b *builder) location(string) {
	latitude := b.angle("latitude", 90, "N", "S")
	longitude := b.angle("longitude", 180, "E", "W")
	altitude := b.metres("altitude", -depth, math.MaxUint32-depth)
	sizes := [...]int64{1_00, 10_000_00, 10_00} // size, horizontal and vertical precision
	for i, what := range [...]string{"size", "horizontal precision", "vertical precision"} {
		if len(b.fields) > 0 {
			sizes[i] = b.metres(what, 0, maxSize)
		}
	}
	b.out = append(b.out, 0) // the version
	for _, size := range sizes {
		b.out = append(b.out, precision(size))
	}
	b.out = binary.BigEndian.AppendUint32(b.out, latitude)
	b.out = binary.BigEndian.AppendUint32(b.out, longitude)
	b.out = binary.BigEndian.AppendUint32(b.out, uint32(altitude+depth))
}

// angle reads degrees and, perhaps, minutes and seconds, then which way they go.
func (b *builder) angle(what string, limit int64, positive, negative string) uint32 {
	units := [...]struct{ size, limit int64 }{{3600 * thousandths, limit}, {60 * thousandths, 59}, {thousandths, 59}}
	sum := int64(0)
	for i := 0; ; i++ {
		f, ok := b.next(what)
		if !ok {
			return 0
		}
		direction := upper(f.text)
		if i > 0 && !f.quoted && (direction == positive || direction == negative) {
			if sum > limit*units[0].size {
				b.fail(what, fmt.Errorf("expected at most %d degrees", limit))
			}
			if direction == negative {
				sum = -sum
			}
			return uint32(equator + sum)
		}
		if i == len(units) {
			b.fail(what, fmt.Errorf("found %s; expected %s or %s", f, positive, negative))
			return 0
		}
		whole, fraction, err := decimal(f.text, 3)
		if err != nil || f.quoted || whole > units[i].limit || fraction > 0 && i < 2 {
			b.fail(what, fmt.Errorf("found %s; expected degrees, minutes and seconds such as 52 22 23.000, then %s or %s", f, positive, negative))
			return 0
		}
		sum += whole*units[i].size + fraction
	}
}

// metres reads a length, in centimetres.
func (b *builder) metres(what string, low, high int64) int64 {
	f, ok := b.next(what)
	if !ok {
		return 0
	}
	text, negative := bytes.CutPrefix(bytes.TrimSuffix(f.text, []byte("m")), []byte("-"))
	if !negative {
		text = bytes.TrimPrefix(text, []byte("+"))
	}
	whole, fraction, err := decimal(text, 2)
	centimetres := whole*100 + fraction
	if negative {
		centimetres = -centimetres
	}
	if err != nil || f.quoted || centimetres < low || centimetres > high {
		b.fail(what, fmt.Errorf("found %s; expected from %d to %d.%02d metres such as 10.00m", f, low/100, high/100, high%100))
	}
	return centimetres
}

// decimal reads a number with at most so many digits behind the point, which are returned as a
// number of that many. On one side of the point there may be none.
func decimal(text []byte, digits int) (whole, fraction int64, err error) {
	before, after, pointed := bytes.Cut(text, []byte("."))
	if len(after) > digits || len(before)+len(after) == 0 {
		return 0, 0, errNoDecimal
	}
	if pointed && len(before) == 0 {
		before = []byte("0")
	}
	n, isWhole := parseUint(before, 32)
	m, isFraction := parseUint(append(bytes.Clone(after), "000"[:digits-len(after)]...), 32)
	if !isWhole || !isFraction {
		return 0, 0, errNoDecimal
	}
	return int64(n), int64(m), nil
}

var errNoDecimal = errors.New("it is no such number")

// precision is a length in centimetres as one digit and a power of ten.
func precision(centimetres int64) byte {
	power := byte(0)
	for centimetres > 9 {
		centimetres /= 10
		power++
	}
	return byte(centimetres)<<4 | power
}

// locationSize is the size of the data in the version that there is, 0. What another may have is
// not known (RFC 1876, section 2).
func locationSize(data []byte, at int) int {
	const size = 16
	switch {
	case at == len(data):
		return -1
	case data[at] != 0:
		return whatever(data, at)
	case taken(data, at, size) < 0:
		return -1
	}
	for _, precision := range data[at+1 : at+4] {
		if precision>>4 > 9 || precision&15 > 9 {
			return -1
		}
	}
	for i, limit := range [...]int64{90, 180} {
		angle := int64(binary.BigEndian.Uint32(data[at+4+4*i:])) - equator
		if max(angle, -angle) > limit*3600*thousandths {
			return -1
		}
	}
	return size
}
