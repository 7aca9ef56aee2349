package loop

import (
	"container/heap"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Loop is one goroutine, which there is as long as any conversation is under way. It is safe for concurrent use.
type Loop struct {
	isAnswer func(error) bool
	origin   time.Time // that times are counted from

	goroutine func()             // run, made once
	look      func(uintptr) bool // looks for events

	mu      sync.Mutex
	running bool    // the goroutine is there
	parked  bool    // it sleeps or is about to, and nobody has woken it
	begun   []*Call // since the goroutine last looked
	aborted []turn

	// What follows is the goroutine's alone.
	epoll   int32
	gate    *gate   // before epoll; nil: it was not opened yet
	ready   int     // events that look has found
	owners  []*Call // by descriptor
	active  int     // conversations under way
	timers  timers
	armed   time.Duration // when the goroutine wakes at the latest; 0: not known
	events  []unix.EpollEvent
	buffer  []byte
	waiting []*Call // to begin, from the first on
	first   int
	cut     []turn // of aborted
}

// turn is one conversation of a call.
type turn struct {
	call   *Call
	number uint64
}

// New returns a loop. isAnswer says of an error that opening a connection ended in whether the other end, or the
// network on the way, has answered; then a second attempt is not waited for.
func New(isAnswer func(error) bool) *Loop {
	l := &Loop{isAnswer: isAnswer, origin: time.Now()}
	l.goroutine, l.look = l.run, func(uintptr) bool {
		if l.ready = poll(l.epoll, l.events); l.ready == 0 {
			l.gate.pass()
		}
		return l.ready > 0
	}
	return l
}

// Begin begins a conversation, which its deadline ends. The one before must have ended.
func (c *Call) Begin(deadline time.Time) {
	l := c.loop
	l.mu.Lock()
	c.until = deadline
	c.turn++
	c.asked = l.now()
	l.begun = append(l.begun, c)
	l.wake()
}

// Abort ends the conversation under way, if there is one.
func (c *Call) Abort() {
	l := c.loop
	l.mu.Lock()
	l.aborted = append(l.aborted, turn{c, c.turn})
	l.wake()
}

// wake makes the goroutine look at what it is to do. It unlocks mu.
func (l *Loop) wake() {
	start, parked := !l.running, l.parked
	l.running, l.parked = true, false
	l.mu.Unlock()
	switch {
	case start:
		go l.goroutine()
	case parked:
		l.gate.wakeAt(l.origin) // long ago
	}
}

func (l *Loop) run() {
	for l.take() {
		for n := l.wait(); n > 0; n = poll(l.epoll, l.events) {
			for _, event := range l.events[:n] {
				if c := l.owners[event.Fd]; c != nil {
					c.happened(event.Fd, event.Events)
				}
			}
			if n < len(l.events) {
				break
			}
		}
		// What had come by now was seen before a deadline counts, however late this goroutine is.
		for now := l.now(); len(l.timers) > 0 && l.timers[0].due <= now; {
			l.timers[0].expire(now)
		}
	}
}

// take begins and ends what it was asked to. Without anything left to do, it returns false: the goroutine ends.
func (l *Loop) take() bool {
	l.mu.Lock()
	if l.active == 0 && len(l.waiting)+len(l.begun) == 0 {
		l.running = false
		l.aborted = l.aborted[:0]
		l.mu.Unlock()
		return false
	}
	for _, c := range l.begun {
		c.stage = queued
	}
	l.waiting, l.begun = append(l.waiting, l.begun...), l.begun[:0]
	l.cut, l.aborted = l.aborted, l.cut[:0]
	for i, t := range l.cut {
		if t.call.turn != t.number {
			l.cut[i].call = nil // it has ended, and another was begun
		}
	}
	l.mu.Unlock()

	for _, t := range l.cut {
		if t.call != nil {
			t.call.abort()
		}
	}
	err := l.open()
	now, end := l.now(), min(l.first+together, len(l.waiting))
	for ; l.first < end; l.first++ {
		c := l.waiting[l.first]
		c.begin(now, c.until.Sub(l.origin), err)
	}
	if end == len(l.waiting) {
		l.waiting, l.first = l.waiting[:0], 0
	}
	return true
}

// wait waits for events or for what is due, and returns how many events there are.
func (l *Loop) wait() int {
	if l.gate == nil {
		return 0
	}
	if len(l.waiting) > 0 || len(l.timers) == 0 {
		return poll(l.epoll, l.events)
	}
	if due := l.timers[0].due; l.armed == 0 || due < l.armed {
		l.armed = due
		l.gate.wakeAt(l.origin.Add(due))
	}
	l.mu.Lock()
	if len(l.begun)+len(l.aborted) > 0 {
		l.mu.Unlock()
		return poll(l.epoll, l.events)
	}
	l.parked = true
	l.mu.Unlock()
	if err := l.gate.wait(l.look); err != nil { // the deadline, or somebody woke it
		l.armed, l.ready = 0, poll(l.epoll, l.events)
	}
	l.mu.Lock()
	l.parked = false
	l.mu.Unlock()
	return l.ready
}

// open makes what the loop watches its sockets with.
func (l *Loop) open() error {
	if l.gate != nil {
		return nil
	}
	fd, err := newEpoll()
	if err != nil {
		return err
	}
	gate, err := newGate(fd)
	if err != nil {
		shut(fd)
		return err
	}
	l.epoll, l.gate = fd, gate
	runtime.AddCleanup(l, shut, fd) // package os does the same for the gate's file
	l.events, l.buffer = make([]unix.EpollEvent, 256), make([]byte, maxKept+1)
	return nil
}

// own notes whose a descriptor is.
func (l *Loop) own(fd int32, c *Call) {
	for int(fd) >= len(l.owners) {
		l.owners = append(l.owners, nil)
	}
	l.owners[fd] = c
}

// disown makes events of a descriptor that are still to come nobody's.
func (l *Loop) disown(fd int32) { l.owners[fd] = nil }

func (l *Loop) now() time.Duration { return time.Since(l.origin) }

// schedule makes a call due at a time.
func (l *Loop) schedule(c *Call, due time.Duration) {
	c.due = due
	if c.index == none {
		heap.Push(&l.timers, c)
	} else {
		heap.Fix(&l.timers, c.index)
	}
}

func (l *Loop) unschedule(c *Call) {
	if c.index != none {
		heap.Remove(&l.timers, c.index)
	}
}

// timers is a heap (package container/heap) of calls, the one that is due first on top.
type timers []*Call

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due < t[j].due }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	c := x.(*Call)
	c.index = len(*t)
	*t = append(*t, c)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	last := len(*t) - 1
	c := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	c.index = none
	return c
}
