package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

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
	t.Fingerprint = fingerprint(t.Spec, l.rootsOf(t.Spec))
	return t
}

// rootsOf is a digest of the file of roots that a target has, since a path says nothing of the content.
func (l *loader) rootsOf(spec health.Spec) string {
	if h, ok := spec.(*health.HTTP); ok && h.RootsFile != "" {
		return l.files.digest(h.RootsFile)
	}
	return ""
}

// fingerprint digests what is probed and how: the kind, its parameters, and the digest of the roots.
func fingerprint(spec health.Spec, roots string) string {
	digested := struct {
		Kind  string
		Spec  health.Spec
		Roots string `json:",omitempty"`
	}{spec.Kind(), spec, roots}
	// The encoding is canonical: fields in their order, maps by key. It cannot fail for
	// strings, numbers, booleans, verdicts and regular expressions.
	data, err := json.Marshal(digested)
	if err != nil {
		panic(fmt.Sprintf("encode a %s spec: %v", spec.Kind(), err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// add notes that a target serves a pool, or a member of it, whose list it belongs to; without a pool it
// is of the vantage. Pools come in the order of their names.
func (t *targets) add(target health.Target, pool string, list *[]health.TargetID) {
	id := identity{target.Check, target.Fingerprint}
	s := t.found[id]
	if s == nil {
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
	t.uses = append(t.uses, use{s, list})
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
// DynamoDB; otherwise the pool or, if several pools share the target, what is connected to.
func (s *shared) poolSubject() string {
	switch spec := s.Spec.(type) {
	case *health.DynamoDB:
		return spec.Region
	case *health.HTTP:
		if len(s.pools) != 1 {
			if u, err := url.Parse(spec.URL); err == nil {
				return u.Host
			}
		}
	case *health.TCP:
		if len(s.pools) != 1 {
			return spec.Address
		}
	}
	if len(s.pools) == 0 {
		return s.Check
	}
	return s.pools[0]
}
