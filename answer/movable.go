package answer

import (
	"encoding/binary"

	"gslb/internal/wire"
)

// movable is an authority section that was packed for a question for the zone's apex, and
// serves after a question for any name in the zone: that one is longer by the labels before
// the apex, so that everything the section points to, in the question or in itself, has
// moved by as much.
type movable struct {
	records  []byte
	count    int
	apexSize int
	pointers []uint16 // where the compression pointers are in records
}

// newMovable packs a section.
func newMovable(apex []byte, pieces ...piece) movable {
	question := append(make([]byte, wire.HeaderSize, 1<<12), apex...)
	question = append(question, 0, 0, 0, 0) // type and class
	m := movable{apexSize: len(apex)}
	p := packer{msg: question, limit: cap(question) - Slack}
	p.onPointer = func(at int) { m.pointers = append(m.pointers, uint16(at-len(question))) }
	for i := range pieces {
		if !p.put(&pieces[i]) {
			return movable{}
		}
		m.count += pieces[i].Count
	}
	m.records = p.msg[len(question):]
	return m
}

// append appends the section to a message that is nothing but header and question, whose
// name has a certain size.
func (m *movable) append(msg []byte, nameSize, limit int) ([]byte, Fit) {
	if len(msg)+len(m.records) > limit {
		return msg, Truncated
	}
	start, by := len(msg), uint16(nameSize-m.apexSize)
	msg = append(msg, m.records...)
	for _, at := range m.pointers {
		pointer := msg[start+int(at):]
		binary.BigEndian.PutUint16(pointer, binary.BigEndian.Uint16(pointer)+by)
	}
	binary.BigEndian.PutUint16(msg[wire.OffNSCount:], uint16(m.count))
	return msg, Whole
}
