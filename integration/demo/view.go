package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// status is as much of /api/status as is shown.
type status struct {
	Pools []struct {
		Name    string   `json:"name"`
		Region  string   `json:"region"`
		Status  string   `json:"status"`
		Targets []string `json:"targets"`
		Members []struct {
			Address netip.Addr `json:"address"`
			Targets []string   `json:"targets"`
		} `json:"members"`
	} `json:"pools"`
	Targets []target `json:"targets"`
}

type target struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Turning bool   `json:"turning"`
	Last    *struct {
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	} `json:"last"`
}

// view is what is up, and what is answered to a client that asks now.
type view struct {
	status  status
	answers []reply // one a name
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
	var lines []string
	for _, pool := range v.status.Pools {
		ids := slices.Clone(pool.Targets)
		for _, member := range pool.Members {
			ids = append(ids, member.Targets...)
		}
		slices.Sort(ids)
		for i, id := range ids {
			ids[i] = v.target(id)
		}
		lines = append(lines, fmt.Sprintf("%-8s %s  %-10s  %s",
			pool.Name, paint(pool.Status, fmt.Sprintf("%-7s", pool.Status)), pool.Region, strings.Join(ids, ", ")))
	}
	for _, answer := range v.answers {
		lines = append(lines, fmt.Sprintf("%s → %s", strings.TrimSuffix(answer.name, "."), v.answer(answer.msg)))
	}
	return lines
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
