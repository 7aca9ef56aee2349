package masterfile

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

var (
	asType        = form{read: (*builder).rrtype, size: octets(2)}
	asBitmap      = form{read: (*builder).bitmap, size: bitmapSize}
	asPlainBitmap = form{read: (*builder).plainBitmap, size: plainBitmapSize}
)

// rrtype reads a type.
func (b *builder) rrtype(what string) {
	if f, ok := b.next(what); ok {
		t, ok := typeOf(f.text)
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("found %s; expected a type", f))
		}
		b.out = binary.BigEndian.AppendUint16(b.out, t)
	}
}

// types reads the rest as types.
func (b *builder) types(what string) []uint16 {
	list := make([]uint16, 0, len(b.fields))
	for len(b.fields) > 0 {
		f, _ := b.next(what)
		t, ok := typeOf(f.text)
		if !ok || f.quoted {
			b.fail(what, fmt.Errorf("found %s; expected a type", f))
			return nil
		}
		list = append(list, t)
	}
	return list
}

// bitmap reads the rest as types, in any order, into windows of 256 (RFC 4034, section 4.1.2).
func (b *builder) bitmap(what string) {
	list := b.types(what)
	slices.Sort(list)
	window, head := -1, 0
	for _, t := range list {
		if w := int(t >> 8); w != window {
			window, head = w, len(b.out)
			b.out = append(b.out, byte(w), 0)
		}
		octet := int(t&0xff) / 8
		for len(b.out)-head-2 <= octet {
			b.out = append(b.out, 0)
		}
		b.out[head+2+octet] |= 0x80 >> (t & 7)
		b.out[head+1] = byte(len(b.out) - head - 2)
	}
}

func bitmapSize(data []byte, at int) int {
	window := -1
	for end := at; ; {
		if end == len(data) {
			return end - at
		}
		if len(data)-end < 2 {
			return -1
		}
		w, size := int(data[end]), int(data[end+1])
		if w <= window || size == 0 || size > 32 || taken(data, end+2, size) < 0 || data[end+1+size] == 0 {
			return -1
		}
		window = w
		end += 2 + size
	}
}

// maxPlain is the last type that a plain bitmap has a bit for.
const maxPlain = 127

// plainBitmap reads the rest as types into a bitmap without windows, which has no place for
// types beyond 127 (RFC 2535, section 5.2).
func (b *builder) plainBitmap(what string) {
	from := len(b.out)
	for _, t := range b.types(what) {
		if t == dns.TypeNone || t > maxPlain {
			b.fail(what, fmt.Errorf("found %s; expected types from 1 to %d", TypeName(t), maxPlain))
			return
		}
		b.setBit(from, int(t))
	}
}

// setBit sets a bit of the bitmap that begins at from and is the end of the data.
func (b *builder) setBit(from, bit int) {
	for len(b.out)-from <= bit/8 {
		b.out = append(b.out, 0)
	}
	b.out[from+bit/8] |= 0x80 >> (bit % 8)
}

// plainBitmapSize is the size of a bitmap without windows. Its first bit would say that the rest
// has another form, which nobody has defined.
func plainBitmapSize(data []byte, at int) int {
	size := len(data) - at
	if size > (maxPlain+1)/8 || size > 0 && data[at]&0x80 != 0 {
		return -1
	}
	return size
}
