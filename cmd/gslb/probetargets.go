package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/health"
	"gslb/zones"
)

// targetsToProbe returns the targets of a check, of one pool or member or of all: those that are probed, and
// those that are calculated from them.
func targetsToProbe(ctx context.Context, path, check, subject string) (probed, derived []health.Target, err error) {
	set, err := loadValid(path)
	if err != nil {
		return nil, nil, err
	}
	all, err := targetsOf(ctx, set, check, subject)
	if err != nil {
		return nil, nil, err
	}
	if len(all) > 0 {
		for _, t := range all {
			if t.IsCalculated() {
				derived = append(derived, t)
			} else {
				probed = append(probed, t)
			}
		}
		return probed, derived, nil
	}
	names := make(map[string]bool)
	for _, t := range slices.Concat(set.Targets, set.AliasTargets()) {
		names[t.Check] = true
	}
	known := strings.Join(slices.Sorted(maps.Keys(names)), ", ")
	switch {
	case len(names) == 0:
		return nil, nil, fmt.Errorf("%s: no check is made of anything", path)
	case !names[check]:
		return nil, nil, fmt.Errorf("%s has no check %q that is made of anything; there is %s", path, check, known)
	}
	return nil, nil, fmt.Errorf("check %q is not made of %s; leave --pool out to see what it is made of", check, subject)
}

// targetsOf returns the targets of a check by ID, and those that they are calculated from.
func targetsOf(ctx context.Context, set *zones.Set, check, subject string) ([]health.Target, error) {
	name, member, err := splitSubject(subject)
	if err != nil {
		return nil, err
	}
	known := make(map[health.TargetID]health.Target, len(set.Targets))
	for _, t := range set.Targets {
		known[t.ID] = t
	}
	var some []health.TargetID // that are looked at
	if name == "" {
		some = slices.Collect(maps.Keys(known))
	}
	isThere := name == ""
	for _, pool := range set.Pools {
		if name != "" && pool.Name != name {
			continue
		}
		isThere = true
		members := pool.Members
		if pool.Alias != "" && slices.ContainsFunc(pool.Checks, func(c zones.MemberCheck) bool { return c.Name == check }) {
			addresses, err := lookUp(ctx, pool)
			if err != nil {
				return nil, err
			}
			for _, a := range addresses {
				members = append(members, pool.Member(a))
				made, err := pool.Apply(a)
				if err != nil {
					return nil, err
				}
				for _, t := range made {
					known[t.ID] = t
				}
			}
		}
		if !member.IsValid() {
			some = append(some, pool.Targets...)
		}
		for _, m := range members {
			if !member.IsValid() || m.Address == member {
				some = append(some, m.Targets...)
			}
		}
	}
	if !isThere {
		return nil, fmt.Errorf("there is no pool %q in %s", name, set.Path)
	}
	found := withOperands(known, slices.DeleteFunc(withOperands(known, some), func(id health.TargetID) bool { return known[id].Check != check }))
	slices.Sort(found)
	targets := make([]health.Target, len(found))
	for i, id := range found {
		targets[i] = known[id]
	}
	return targets, nil
}

// withOperands is targets and all that they are calculated from, each once.
func withOperands(known map[health.TargetID]health.Target, ids []health.TargetID) []health.TargetID {
	var all []health.TargetID
	seen := make(map[health.TargetID]bool)
	var add func([]health.TargetID)
	add = func(ids []health.TargetID) {
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			all = append(all, id)
			if c, is := known[id].Spec.(*health.Calculated); is {
				add(c.Of)
			}
		}
	}
	add(ids)
	return all
}

// splitSubject splits POOL or POOL/ADDRESS.
func splitSubject(subject string) (pool string, member netip.Addr, err error) {
	pool, address, found := strings.Cut(subject, "/")
	if !found {
		return pool, member, nil
	}
	if member, err = netip.ParseAddr(address); err != nil || pool == "" {
		return "", member, fmt.Errorf("%q is neither POOL nor POOL/ADDRESS, such as nyc/203.0.113.10", subject)
	}
	return pool, member.Unmap(), nil
}

// lookUpWait bounds the lookup of a pool's alias.
const lookUpWait = 5 * time.Second

// lookUp returns the addresses of a pool's alias as they are now.
func lookUp(ctx context.Context, pool *zones.Pool) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpWait)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", pool.Alias)
	if err != nil {
		return nil, fmt.Errorf("look up the addresses of pool %q: %w", pool.Name, err)
	}
	for i := range addresses {
		addresses[i] = addresses[i].Unmap()
	}
	return addresses, nil
}
