package zones

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"
)

// serial fills in the content hash of a zone and its serial. The same content keeps the
// serial that it had; another gets one that is higher.
func (l *loader) serial(z *zone) {
	z.Hash = contentHash(z) // while a serial of our own is 0
	if z.givenSOA {
		return
	}
	prior, ok := l.serials[z.Name]
	switch {
	case ok && prior.Hash == z.Hash:
		z.Serial = prior.Serial
	case ok:
		z.Serial = nextSerial(prior.Serial, l.options.Now)
	default:
		z.Serial = uint32(l.options.Now.Unix())
	}
	z.Data.setSerial(z.Serial)
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
	h := sha256.New()
	var head []byte
	for i := range z.Data.Len() {
		node := z.Data.Node(i)
		h.Write(node.Owner())
		for set := range node.Sets() {
			head = binary.BigEndian.AppendUint16(head[:0], set.Type)
			head = binary.BigEndian.AppendUint32(head, uint32(len(set.Records)))
			h.Write(head)
			if set.Count == 1 {
				h.Write(set.Records)
				continue
			}
			for _, r := range slices.SortedFunc(set.each(), bytes.Compare) {
				h.Write(r)
			}
		}
	}
	var line []byte
	for _, n := range z.Names {
		line = append(append(append(append(line[:0], n.Name...), ' '), n.Steering.Key...), '\n')
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil))
}
