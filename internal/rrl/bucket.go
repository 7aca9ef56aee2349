package rrl

import "sync/atomic"

// bucket is what is known of one bucket, in a word that is replaced as a whole:
//
//	tag (19 bits) | limited (1) | empty (44)
//
// The tag tells the bucket from others in its set. Limited says that a response was limited
// since the bucket was last empty. Empty is when it will have run empty, in nanoseconds: level
// and time in one number, as in the virtual scheduling of ITU-T I.371. It wraps around every
// 4.9 hours.
type bucket uint64

const (
	timeBits   = 44
	limitedBit = 1 << timeBits
	timeMask   = limitedBit - 1
	tagShift   = timeBits + 1
)

func makeBucket(tag uint64, limited bool, empty int64) bucket {
	b := bucket(tag<<tagShift | uint64(empty)&timeMask)
	if limited {
		b |= limitedBit
	}
	return b
}

func (b bucket) tag() uint64   { return uint64(b) >> tagShift }
func (b bucket) limited() bool { return b&limitedBit != 0 }

// level is how long the bucket takes to run empty, in nanoseconds. More than the most that
// there can be means that the clock has gone back or around: such a bucket counts as empty.
// (One that was left alone for a multiple of 4.9 hours counts as full, for as long as a full
// bucket takes to drain.)
func (b bucket) level(now, most int64) int64 {
	const unused = 64 - timeBits
	left := (int64(b) - now) << unused >> unused
	if left < 0 || left > most {
		return 0
	}
	return left
}

// set is the buckets that can take each other's places. It fills a cache line; a slice of
// more than a few is aligned to one.
type set [8]atomic.Uint64

// find returns the bucket with a tag or, where there is none, the emptiest, and its place. It
// reads each place once: read twice, the bucket could come in between, and would then be
// taken for another that is in the way.
func (s *set) find(tag uint64, now, most int64) (place *atomic.Uint64, b bucket) {
	least := most + 1
	for i := range s {
		candidate := bucket(s[i].Load())
		if candidate.tag() == tag {
			return &s[i], candidate
		}
		if level := candidate.level(now, most); level < least {
			least, place, b = level, &s[i], candidate
		}
	}
	return place, b
}
