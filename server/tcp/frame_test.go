package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// cut takes all messages out of a stream that arrives in pieces. Where later says so, what
// came behind a message is held before the next is taken.
func cut(f *frames, pieces [][]byte, later func() bool) (msgs [][]byte, err error) {
	for _, data := range pieces {
		for {
			msg, rest, err := f.next(data)
			if err != nil {
				return msgs, err
			}
			if msg == nil {
				break
			}
			msgs = append(msgs, bytes.Clone(msg))
			if data = rest; later() {
				f.hold(data)
				data = nil
			}
		}
		if f.empty() {
			f.release()
		}
	}
	return msgs, nil
}

// TestFrames cuts messages of any size back out of a stream, wherever it is cut.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msgs := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 700), 1, 20).Draw(t, "messages")
		var stream []byte
		for _, msg := range msgs {
			stream = appendFrame(stream, msg)
		}
		var pieces [][]byte
		for rest := stream; len(rest) > 0; {
			n := min(rapid.IntRange(1, 1000).Draw(t, "piece"), len(rest))
			pieces = append(pieces, bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		f := frames{buffers: rapid.SampledFrom([]*bufferPool{nil, {}}).Draw(t, "buffers")}
		got, err := cut(&f, pieces, func() bool { return rapid.Bool().Draw(t, "hold") })
		if diff := cmp.Diff(msgs, got); diff != "" || err != nil {
			t.Errorf("%v; messages (-sent +cut out):\n%s", err, diff)
		}
		if !f.empty() || f.held != nil {
			t.Errorf("%d bytes are held at the end of the stream", len(f.held))
		}
	})
}

// TestFramesHoldAndAdvance has whole messages wait, and others come behind them.
func TestFramesHoldAndAdvance(t *testing.T) {
	var f frames
	f.hold(appendFrame(appendFrame(nil, []byte("one")), []byte("two")))
	f.hold([]byte{0})
	data := append([]byte{5}, "three"...)
	for _, want := range []string{"one", "two", "three"} {
		msg, rest, err := f.next(data)
		if string(msg) != want || err != nil {
			t.Fatalf("got %q, %v, want %q", msg, err, want)
		}
		data = rest
	}
}

// FuzzFrames cuts a stream into messages twice, once at one go and once from pieces: the same
// must come out, and nothing but what the lengths say.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x03abc\x00\x01d"), uint16(1))
	f.Add([]byte("\x00\x00"), uint16(1))
	f.Add([]byte("\x00"), uint16(1))
	f.Add(append([]byte{0xff, 0xff}, make([]byte, 1<<16)...), uint16(1000))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16) {
		var pieces [][]byte
		for rest := stream; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		never := func() bool { return false }
		got, err := cut(&frames{buffers: &bufferPool{}}, pieces, never)
		whole, wholeErr := cut(new(frames), [][]byte{stream}, never)
		if !slices.EqualFunc(whole, got, bytes.Equal) || err != wholeErr {
			t.Errorf("at one go %x, %v; in pieces %x, %v", whole, wholeErr, got, err)
		}
		var framed []byte
		for _, msg := range whole {
			framed = appendFrame(framed, msg)
		}
		rest, ok := bytes.CutPrefix(stream, framed)
		if !ok {
			t.Fatalf("frames %x are not what the stream begins with: %x", framed, stream)
		}
		switch empty := bytes.HasPrefix(rest, []byte{0, 0}); {
		case empty != errors.Is(err, errEmptyFrame):
			t.Errorf("an empty frame comes next: %v, but the error is %v", empty, err)
		case !empty && len(rest) >= 2 && len(rest)-2 >= int(binary.BigEndian.Uint16(rest)):
			t.Errorf("a whole frame is left: %x", rest)
		}
	})
}

// TestBufferPool keeps neither large buffers nor too many.
func TestBufferPool(t *testing.T) {
	var pool bufferPool
	pool.put(nil)
	pool.put(make([]byte, pooledBufferSize+1))
	if len(pool.free) != 0 {
		t.Errorf("%d buffers were kept that must not be", len(pool.free))
	}
	for range 2 * pooledBuffers {
		pool.put(make([]byte, 100))
	}
	if len(pool.free) != pooledBuffers {
		t.Errorf("%d buffers were kept, want %d", len(pool.free), pooledBuffers)
	}
	if buf := pool.get(); len(buf) != 0 || cap(buf) != 100 {
		t.Errorf("a buffer of length %d and capacity %d came back", len(buf), cap(buf))
	}
}
