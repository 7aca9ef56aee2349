package zones

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"time"
)

// serial fills in the content hash of a zone and its serial. The same content keeps the
// serial that it had; another gets one that is higher.
func (l *loader) serial(z *zone) {
	if z.givenSOA {
		z.Serial = z.soa.Serial
		z.Hash = contentHash(z)
		return
	}
	z.Hash = contentHash(z) // while the serial is 0
	prior, ok := l.serials[z.Name]
	switch {
	case ok && prior.Hash == z.Hash:
		z.Serial = prior.Serial
	case ok:
		z.Serial = nextSerial(prior.Serial, l.options.Now)
	default:
		z.Serial = uint32(l.options.Now.Unix())
	}
	z.soa.Serial = z.Serial
}

// nextSerial is a serial above prior: the time or, where the clock went back or several
// changes fell into one second, the next number. Above is meant in the arithmetic of
// RFC 1982, section 3.2, in which serials wrap around.
func nextSerial(prior uint32, now time.Time) uint32 {
	if s := uint32(now.Unix()); int32(s-prior) > 0 {
		return s
	}
	return prior + 1
}

// contentHash digests what a zone's static data is made from, in whatever order it was
// written: its records, without a serial of our own, and its steered names with all that is
// configured for them.
func contentHash(z *zone) string {
	lines := make([]string, 0, len(z.records)+len(z.Names))
	for _, r := range z.records {
		lines = append(lines, r.rr.String())
	}
	for _, n := range z.Names {
		lines = append(lines, n.Name+" "+n.Steering.Key)
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		io.WriteString(h, line)
		io.WriteString(h, "\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}
