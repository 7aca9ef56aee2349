package server

import "time"

// waitQueue holds connections that all may wait equally long for the same thing. Whoever came
// last has the latest deadline, so that the queue is in order by itself.
type waitQueue struct {
	limit       time.Duration
	why         end // what a connection ends of when its time is over
	first, last *waiting
}

// waiting is a connection's place in a queue; it is in one at a time.
type waiting struct {
	conn       *loopConn
	queue      *waitQueue // nil: in none
	by         time.Time
	prev, next *waiting
}

// push puts w at the end of q, and takes it out of where it is.
func (q *waitQueue) push(w *waiting, now time.Time) {
	w.leave()
	w.queue, w.by, w.prev = q, now.Add(q.limit), q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
}

// leave takes w out of its queue.
func (w *waiting) leave() {
	q := w.queue
	if q == nil {
		return
	}
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queue, w.prev, w.next = nil, nil, nil
}

// due is the first connection whose time is over; nil: none.
func (q *waitQueue) due(now time.Time) *loopConn {
	if q.first == nil || q.first.by.After(now) {
		return nil
	}
	return q.first.conn
}
