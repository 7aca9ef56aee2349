package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gslb/health"
)

// targets collects what is probed, each thing once: a check on the same thing in the same
// way is one target, however many pools, members and names it serves.
type targets struct {
	found map[identity]*shared
	order []*shared // of found
	uses  []use
}

// identity is what makes a target the same as another.
type identity struct {
	check       string
	fingerprint string
}

// shared is a target and the pools that it serves.
type shared struct {
	health.Target
	pools []string
}

// use is a list of targets that one target belongs to.
type use struct {
	target *shared
	list   *[]health.TargetID
}

// target makes the target of a check for one filling. It has no ID yet.
func (l *loader) target(c *check, f *filling) health.Target {
	t := c.schedule
	t.Spec = c.spec(f)
	t.Subject = subjectOf(t.Spec, "")
	t.Fingerprint = fingerprint(t.Spec, l.content(c, t.Spec, f), t.Slow)
	return t
}

// subjectOf is what a check is applied to, where its spec says so itself, and otherwise an address.
func subjectOf(spec health.Spec, address string) string {
	if p, is := spec.(*health.Push); is {
		return cmp.Or(p.Subject, p.Check)
	}
	return address
}

// contentOf is a digest of the files that belong to a spec, since a path says nothing of the content.
func (l *loader) contentOf(spec health.Spec) string {
	var digests []string
	for _, path := range spec.Files() {
		digests = append(digests, l.files.digest(path))
	}
	return strings.Join(digests, " ")
}

// fingerprint digests what is probed and how: the kind, its parameters, the digests of its files, and what is too
// long for a pass.
func fingerprint(spec health.Spec, content string, slow health.Slow) string {
	digested := struct {
		Kind    string
		Spec    health.Spec
		Content string      `json:",omitempty"`
		Slow    health.Slow `json:",omitzero"`
	}{spec.Kind(), spec, content, slow}
	// The encoding is canonical: fields in their order, maps by key. It cannot fail for
	// strings, numbers, booleans, verdicts and regular expressions.
	data, err := json.Marshal(digested)
	if err != nil {
		panic(fmt.Sprintf("encode a %s spec: %v", spec.Kind(), err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// add notes that a target serves a pool, or a member of it, whose list it belongs to, if there is one; without
// a pool it is of the vantage. Pools come in the order of their names. It reports whether the target is new.
func (t *targets) add(target health.Target, pool string, list *[]health.TargetID) (isNew bool) {
	id := identity{target.Check, target.Fingerprint}
	s := t.found[id]
	if isNew = s == nil; isNew {
		s = &shared{Target: target}
		if t.found == nil {
			t.found = make(map[identity]*shared)
		}
		t.found[id] = s
		t.order = append(t.order, s)
	}
	s.Vantage = s.Vantage || target.Vantage
	s.Place = cmp.Or(s.Place, target.Place)
	if n := len(s.pools); pool != "" && (n == 0 || s.pools[n-1] != pool) {
		s.pools = append(s.pools, pool)
	}
	if list != nil {
		t.uses = append(t.uses, use{s, list})
	}
	return isNew
}

// finish gives every target its ID, fills in the lists that it belongs to, and returns all
// targets by ID.
//
// An ID is check@subject. Where pools fill in one check differently for one subject, each of
// these targets has the first of its pools added: check@subject/pool.
func (t *targets) finish() []health.Target {
	same := make(map[health.TargetID]int)
	for _, s := range t.order {
		if s.Subject == "" {
			s.Subject = s.poolSubject()
		}
		s.ID = health.TargetID(s.Check + "@" + s.Subject)
		same[s.ID]++
	}
	list := make([]health.Target, 0, len(t.order))
	for _, s := range t.order {
		if same[s.ID] > 1 {
			s.ID += health.TargetID("/" + s.pools[0])
		}
		list = append(list, s.Target)
	}
	for _, u := range t.uses {
		*u.list = append(*u.list, u.target.ID)
	}
	slices.SortFunc(list, func(a, b health.Target) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// poolSubject names what a check that is made once for a pool is applied to: the region for
// DynamoDB; otherwise the pool or, if several pools share the target, what is probed, or else the check
// itself.
func (s *shared) poolSubject() string {
	_, isRegional := s.Spec.(*health.DynamoDB)
	if where := s.Spec.Where(); where != "" && (isRegional || len(s.pools) != 1) {
		return where
	}
	if len(s.pools) != 1 {
		return s.Check
	}
	return s.pools[0]
}
