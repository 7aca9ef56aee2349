package operate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gslb/admin/api"
	"gslb/journal"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// Planned is the first changes that a configuration makes, as the API has them, and how many there are.
func Planned(c *publish.Crossing, most int) (list []api.Change, total int) {
	list = planned(c.Changes)
	return list[:min(most, len(list))], len(list)
}

// planned is the changes that a configuration makes, as the API has them: those for the same reason together.
func planned(changes []*publish.AnswerChange) []api.Change {
	return grouped(changes, func(why string) (shown, key string) {
		why = cmp.Or(why, "the configuration says so")
		return why, why
	})
}

// commanded is the changes that a command makes, as the API has them. They have one cause, the command, so
// that there are few, each with the reason of its first names.
func commanded(changes []*publish.AnswerChange) []api.Change {
	return grouped(changes, func(why string) (shown, key string) { return why, "" })
}

// grouped is changes as the API has them. Names that change alike are one, though they are not steered
// alike. reason makes of why a change is made what is shown, and what tells it apart from others.
func grouped(changes []*publish.AnswerChange, reason func(why string) (shown, key string)) []api.Change {
	list := []api.Change{}
	var of [][]*zones.Name // by place in list
	places := make(map[string]int)
	for _, c := range changes {
		e, _ := journal.Of(publish.Event{Answer: c})
		views := c.Views()
		why, cause := reason(e.Why)
		key := strings.Join(append(slices.Clip(views), "", e.From, e.To, string(e.FromMode), string(e.Mode), cause), "\x00")
		at, known := places[key]
		if !known {
			at = len(list)
			places[key] = at
			list, of = append(list, api.Change{
				Views: first(mostListed, views), From: e.From, To: e.To, FromMode: e.FromMode, ToMode: e.Mode,
				Why: why, LeavesNothing: c.To.Mode.IsEmergency(),
			}), append(of, nil)
		}
		of[at] = append(of[at], c.Names...)
	}
	for i := range list {
		all := byName(of[i])
		list[i].Names, list[i].NamesTotal = names(all), len(all)
	}
	return list
}

// answers is what names are answered with: those that are answered alike together.
func (s *scene) answers(concerned map[*zones.Name]bool) []api.Answer {
	list := []api.Answer{}
	var of [][]*zones.Name // by place in list
	places := make(map[string]int)
	answered := func(d *steer.Decision) int {
		answer := api.Answer{
			Pool: d.Described(), Mode: d.Mode, Addresses: first(mostAddresses, d.Addresses()), TTL: d.TTL.Seconds(),
		}
		key := fmt.Sprint(answer.Pool, "\x00", answer.Mode, answer.Addresses, answer.TTL)
		at, known := places[key]
		if !known {
			at = len(list)
			places[key] = at
			list, of = append(list, answer), append(of, nil)
		}
		if views := d.Route.Views; len(views) > 0 && len(list[at].Views) < mostListed && !slices.Contains(list[at].Views, views[0]) {
			list[at].Views = append(list[at].Views, views[0])
		}
		return at
	}
	shared := make(map[*zones.Steering][]int) // what names have that do not stand apart
	for name := range concerned {
		decisions := s.table.DecisionsOf(name)
		at, known := shared[name.Steering]
		if !known || decisions[0].Pin != nil {
			at = nil
			for _, d := range decisions {
				if len(d.Route.Tiers) > 0 || len(decisions) == 1 {
					at = append(at, answered(d))
				}
			}
		}
		if decisions[0].Pin == nil {
			shared[name.Steering] = at
		}
		for _, i := range at {
			of[i] = append(of[i], name)
		}
	}
	for i := range list {
		all := byName(of[i])
		list[i].Names, list[i].NamesTotal = names(all), len(all)
	}
	slices.SortFunc(list, func(a, b api.Answer) int { return strings.Compare(a.Names[0]+a.Pool, b.Names[0]+b.Pool) })
	return list[:min(mostListed, len(list))]
}
