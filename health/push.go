package health

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"
)

// Push is the spec of a target that is up as long as somebody says so often enough.
type Push struct {
	Check   string
	Subject string        `json:",omitempty"` // that is pushed for; empty: there is only one
	MaxAge  time.Duration // a word is good for so long
	Load    LoadFrom      `json:",omitzero"`

	// Tokens are the digests of those that may push. They are no part of what is judged.
	Tokens [][sha256.Size]byte `json:"-"`
}

// Kind returns "push".
func (*Push) Kind() string { return "push" }

// Files returns none.
func (*Push) Files() []string { return nil }

// Where is the subject.
func (p *Push) Where() string { return p.Subject }

// Wants says who must call, and how often.
func (p *Push) Wants() []string {
	return []string{fmt.Sprintf("wants a call of POST %s every %s", p.Path(), p.MaxAge)}
}

// Path is where the API takes calls for it.
func (p *Push) Path() string {
	path := "/api/v1/push/" + p.Check
	if p.Subject != "" {
		path += "/" + p.Subject
	}
	return path
}

// PushTarget is the ID of the target that is pushed for.
func PushTarget(check, subject string) TargetID {
	if subject == "" {
		subject = check
	}
	return TargetID(check + "@" + subject)
}

// Takes reports whether a token may push. How long that takes does not depend on how much of it is right.
func (p *Push) Takes(token string) bool {
	sum, right := sha256.Sum256([]byte(token)), 0
	for i := range p.Tokens {
		right |= subtle.ConstantTimeCompare(sum[:], p.Tokens[i][:])
	}
	return right == 1
}

// IsPassive reports whether the target shows nothing of this host's network when it is probed: nothing is sent
// to it.
func (t *Target) IsPassive() bool {
	_, is := t.Spec.(*Push)
	return is || t.IsCalculated()
}

// Pushed is what was last said of a target.
type Pushed struct {
	At     time.Time
	Failed bool   // it does not work
	Why    string // one line; may be empty
	Load   *Load  // nil: nothing was said of it
}

// Pushes remembers what was last said of each target. It is safe for concurrent use.
type Pushes struct {
	mu   sync.Mutex
	last map[TargetID]Pushed
}

// NewPushes remembers nothing yet.
func NewPushes() *Pushes { return &Pushes{last: make(map[TargetID]Pushed)} }

// Put takes in what is said of a target.
func (p *Pushes) Put(id TargetID, said Pushed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[id] = said
}

// Last is what was last said of a target, if anything was.
func (p *Pushes) Last(id TargetID) (said Pushed, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	said, ok = p.last[id]
	return said, ok
}

// Target is the target with an ID, if there is one.
func (m *Monitor) Target(id TargetID) (Target, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[id]; e != nil {
		return *e.target, true
	}
	return Target{}, false
}

// Prompt has a target probed at once, or again when the probe under way has ended.
func (m *Monitor) Prompt(id TargetID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e := m.entries[id]; {
	case e == nil:
	case e.flight != nil:
		e.again = true
	case e.index >= 0:
		m.schedule(e, time.Now())
	}
}
