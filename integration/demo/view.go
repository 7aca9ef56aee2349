package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// status is as much of /api/status as is shown.
type status struct {
	Config struct {
		Hash            string `json:"hash"`
		LastReloadError string `json:"last_reload_error"`
	} `json:"config"`
	Names   []name   `json:"names"`
	Pools   []pool   `json:"pools"`
	Targets []target `json:"targets"`
}

type pool struct {
	Name    string    `json:"name"`
	Region  string    `json:"region"`
	Status  string    `json:"status"`
	Drain   *struct{} `json:"drain"` // a person's word: what it says is not shown here
	Force   *struct{} `json:"force"`
	Targets []string  `json:"targets"`
	Members []struct {
		Address netip.Addr `json:"address"`
		Targets []string   `json:"targets"`
	} `json:"members"`
}

type name struct {
	Name          string    `json:"name"`
	Mode          string    `json:"mode"`
	Pool          string    `json:"pool"`
	PreferredPool string    `json:"preferred_pool"`
	Revisit       time.Time `json:"revisit"`
}

type target struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Turning bool   `json:"turning"`
	Stale   bool   `json:"stale"`
	Last    *struct {
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	} `json:"last"`
}

// replication is as much of an entry of /api/v1/replication as is shown.
type replication struct {
	Name    string `json:"name"`
	Regions []struct {
		Region    string `json:"region"`
		Condition string `json:"condition"`
		Degraded  bool   `json:"degraded"`
	} `json:"regions"`
	Lags []struct {
		From    string `json:"from"`
		To      string `json:"to"`
		Arrival string `json:"arrival"`
	} `json:"lags"`
}

// view is what is up, and what is answered to a client that asks now.
type view struct {
	status       status
	replications []replication
	answers      []reply // one a name
}

// reply is a server's reply to a query for the A records of a name.
type reply struct {
	name string
	msg  *dns.Msg // nil: none came
}

// look asks the admin server for what is up and the DNS server for what is answered.
func look(ctx context.Context, server *parts.GSLB, names []string) (view, error) {
	var v view
	if err := server.Status(ctx, &v.status); err != nil {
		return view{}, err
	}
	var list struct {
		Replications []replication `json:"replications"`
	}
	if err := server.JSON(ctx, "/api/v1/replication", &list); err != nil {
		return view{}, err
	}
	v.replications = list.Replications
	for _, name := range names {
		msg, err := parts.Ask(ctx, server.Listen, name, dns.TypeA)
		if err != nil {
			msg = nil
		}
		v.answers = append(v.answers, reply{name, msg})
	}
	return v, nil
}

// lines is the view as text, the same for the same view.
func (v view) lines(paint painter) []string {
	lines := v.refusal(paint)
	for i := range v.status.Pools {
		lines = append(lines, v.pool(i, paint))
	}
	for i := range v.replications {
		lines = append(lines, v.replications[i].lines(paint)...)
	}
	return append(lines, v.answered(paint)...)
}

// refusal says that zones.toml was edited in vain, and why.
func (v view) refusal(paint painter) []string {
	if v.status.Config.LastReloadError == "" {
		return nil
	}
	lines := []string{paint("down", zonesFile+" was refused; what was served before goes on:")}
	for line := range strings.SplitSeq(v.status.Config.LastReloadError, "\n") {
		if len(lines) > errorLines {
			return append(lines, "  … and more: gslb check "+zonesFile)
		}
		lines = append(lines, "  "+line)
	}
	return lines
}

// errorLines is how many errors of a refused file are shown.
const errorLines = 10

func (v view) pool(i int, paint painter) string {
	pool := v.status.Pools[i]
	ids := slices.Clone(pool.Targets)
	for _, member := range pool.Members {
		ids = append(ids, member.Targets...)
	}
	slices.Sort(ids)
	for i, id := range ids {
		ids[i] = v.target(id)
	}
	return fmt.Sprintf("%-8s %s  %-10s  %s",
		pool.Name, paint(pool.Status, fmt.Sprintf("%-7s", pool.Status)), pool.Region, strings.Join(ids, ", "))
}

// lines say how each region's copy is, and how what it writes arrives in each other region.
func (r *replication) lines(paint painter) []string {
	lines := make([]string, len(r.Regions))
	for i, copy := range r.Regions {
		line := fmt.Sprintf("copy of %s in %s: ", r.Name, copy.Region)
		if condition := copy.Condition; copy.Degraded {
			line += paint("down", condition+", degraded")
		} else {
			line += paint(map[string]string{"current": "up"}[condition], condition)
		}
		for _, lag := range r.Lags {
			if lag.From == copy.Region {
				line += fmt.Sprintf("; what it writes arrives in %s %s", lag.To, lag.Arrival)
			}
		}
		lines[i] = line
	}
	return lines
}

// isDegraded reports whether a copy in the region of a pool is degraded.
func (v view) isDegraded(pool string) bool {
	region := ""
	for _, p := range v.status.Pools {
		if p.Name == pool {
			region = p.Region
		}
	}
	for _, r := range v.replications {
		for _, copy := range r.Regions {
			if copy.Region == region && copy.Degraded {
				return true
			}
		}
	}
	return false
}

// answered is what each name is answered with.
func (v view) answered(paint painter) []string {
	var lines []string
	for _, answer := range v.answers {
		line := fmt.Sprintf("%s → %s", strings.TrimSuffix(answer.name, "."), v.answer(answer.msg))
		if mode := v.name(answer.name).Mode; mode != "" && mode != "normal" {
			line += ", " + paint("down", "mode "+mode)
		}
		lines = append(lines, line)
	}
	return lines
}

// name is what the server says of a steered name.
func (v view) name(fqdn string) name {
	i := slices.IndexFunc(v.status.Names, func(n name) bool { return n.Name == fqdn })
	if i < 0 {
		return name{}
	}
	return v.status.Names[i]
}

func (v view) poolStatus(pool string) string {
	for _, p := range v.status.Pools {
		if p.Name == pool {
			return p.Status
		}
	}
	return "gone"
}

// stillFailing is what is missing until a fault of a region has had its effect: the pool is down, and no name
// is answered with it that has another; or its copy is degraded. Empty: nothing is.
func (v view) stillFailing(region string, fault parts.Fault) string {
	if fault == parts.ReplicationStopped {
		if !v.isDegraded(region) {
			return fmt.Sprintf("the copy behind pool %s is not degraded", region)
		}
		return ""
	}
	if status := v.poolStatus(region); status != "down" {
		return fmt.Sprintf("pool %s is %s", region, status)
	}
	for _, n := range v.status.Names {
		if n.Pool == region && n.Mode == "normal" {
			return fmt.Sprintf("%s is answered with %s", n.Name, region)
		}
	}
	return ""
}

// failed is the effect that a fault of a region has had.
func (v view) failed(region string, fault parts.Fault) string {
	if fault == parts.ReplicationStopped {
		return "is degraded, goes on serving where it serves, and nobody is moved to it or from it"
	}
	for _, n := range v.status.Names {
		if n.Pool == region {
			return "is down, and answered all the same, since no pool is left"
		}
	}
	return "is down, and nobody is sent there"
}

// healed is the effect that the end of a region's fault has had.
func (v view) healed(region string, _ parts.Fault) string {
	text := "is as it was"
	for _, n := range v.status.Names {
		if n.PreferredPool == region && n.Pool != region && v.isKept(region, n) {
			return text + ", but for what somebody has said by hand: bin/gslb overrides"
		}
	}
	return text
}

// stillHealing is what is missing until a region is as it was: the pool is up, its copy is not degraded, and
// every name that prefers it is answered with it, unless a person keeps it down or away. Empty: nothing is.
func (v view) stillHealing(region string, _ parts.Fault) string {
	if status := v.poolStatus(region); status != "up" && !v.isForcedDown(region) {
		return fmt.Sprintf("pool %s is %s", region, status)
	}
	if v.isDegraded(region) {
		return fmt.Sprintf("the copy behind pool %s is degraded", region)
	}
	for _, n := range v.status.Names {
		switch {
		case n.PreferredPool != region || n.Pool == region && n.Mode == "normal" || v.isKept(region, n):
		case n.Revisit.IsZero():
			return fmt.Sprintf("%s is answered with %s", n.Name, n.Pool)
		default:
			return fmt.Sprintf("%s stays with %s until its failback_after is over, at %s", n.Name, n.Pool, n.Revisit.Local().Format(time.TimeOnly))
		}
	}
	return ""
}

// isKept reports whether a person's word keeps a name from being answered with a region as usual.
func (v view) isKept(region string, n name) bool {
	if n.Mode == "pinned" {
		return true
	}
	return v.isForcedDown(region) || slices.ContainsFunc(v.status.Pools, func(p pool) bool { return p.Name == region && p.Drain != nil })
}

// isForcedDown reports whether a pool is down since a person says so.
func (v view) isForcedDown(region string) bool {
	return slices.ContainsFunc(v.status.Pools, func(p pool) bool { return p.Name == region && p.Force != nil && p.Status == "down" })
}

// target says what is known of one target, and the reason where that is not all well.
func (v view) target(id string) string {
	i := slices.IndexFunc(v.status.Targets, func(t target) bool { return t.ID == id })
	if i < 0 {
		return id + " unknown"
	}
	t := v.status.Targets[i]
	text := t.ID + " " + t.Status
	if t.Turning {
		text += ", turning"
	}
	if t.Stale {
		text += ", stale"
	}
	if t.Last != nil && t.Last.Verdict != "pass" {
		text += fmt.Sprintf(" (%s: %s)", t.Last.Verdict, t.Last.Reason)
	}
	return text
}

func (v view) answer(msg *dns.Msg) string {
	if msg == nil {
		return "no reply"
	}
	if len(msg.Answer) == 0 {
		return "no address (" + dns.RcodeToString[msg.Rcode] + ")"
	}
	var texts []string
	for _, addr := range parts.Addresses(msg.Answer) {
		texts = append(texts, addr.String()+v.poolOf(addr))
	}
	return fmt.Sprintf("%s, ttl %d s", strings.Join(texts, ", "), msg.Answer[0].Header().Ttl)
}

// poolOf is the name of the pool that has the address, in parentheses.
func (v view) poolOf(addr netip.Addr) string {
	for _, pool := range v.status.Pools {
		for _, member := range pool.Members {
			if member.Address == addr {
				return " (" + pool.Name + ")"
			}
		}
	}
	return ""
}
