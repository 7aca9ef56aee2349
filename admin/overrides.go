package admin

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gslb/admin/api"
	"gslb/override"
	"gslb/zones"
)

// overrideLines is how many overrides are named among what a person should know first.
const overrideLines = 10

// lostOverrides lists what should be in force and is not, or will not be after a restart.
func (m *moment) lostOverrides() []api.Trouble {
	if m.overrides == nil {
		return nil
	}
	list := m.overrides
	var all []api.Trouble
	if list.SetAside != "" {
		all = append(all, api.Trouble{Critical: true, Text: fmt.Sprintf("Override: those of an earlier run could not be read, and are not in force. Set again what is still wanted, then remove %s", list.SetAside)})
	}
	if list.Total > 0 && !list.Kept {
		all = append(all, api.Trouble{Text: "Overrides end with the program: no state_dir is set in zones.toml"})
	}
	return all
}

// saidOverrides lists what people have said that is in force, those without an end first, but for what
// incidents say already.
func (m *moment) saidOverrides() []api.Trouble {
	if m.overrides == nil {
		return nil
	}
	told := m.toldOverrides()
	var all []api.Trouble
	said := slices.DeleteFunc(slices.Clone(m.overrides.Overrides), func(o api.Override) bool { return told[o.ID] })
	slices.SortStableFunc(said, func(a, b api.Override) int {
		return cmp.Compare(boolean(!a.Until.IsZero()), boolean(!b.Until.IsZero()))
	})
	for i := range said {
		if i == overrideLines {
			all = append(all, api.Trouble{Text: fmt.Sprintf("Override: %d more, which gslb overrides lists", len(said)-i)})
			break
		}
		all = append(all, api.Trouble{Text: "Override: " + overrideText(&said[i]), Override: said[i].ID})
	}
	return all
}

// toldOverrides is those that the incidents that last are about.
func (m *moment) toldOverrides() map[string]bool {
	told := make(map[string]bool)
	for i := range m.lasting() {
		told[i.Override] = i.Override != ""
	}
	return told
}

// untoldOverrides is how many others there are.
func (m *moment) untoldOverrides() int {
	if m.overrides == nil {
		return 0
	}
	untold, told := m.overrides.Total, m.toldOverrides()
	for i := range m.overrides.Overrides {
		if told[m.overrides.Overrides[i].ID] {
			untold--
		}
	}
	return untold
}

// overrideText says what an override does, who said so, and until when.
func overrideText(o *api.Override) string {
	end := "WITHOUT AN END"
	if !o.Until.IsZero() {
		end = "until " + when(o.Until)
	}
	text := fmt.Sprintf("%s %s by %s since %s, %s: %s", subjectOf(o), doing(o), o.By, when(o.Since), end, o.Reason)
	if o.Unmatched {
		text += " (the configuration does not have this, so that it changes nothing)"
	}
	return text
}

// listedOverrides bounds those that the page lists.
const listedOverrides = 200

// shownOverrides is what the page lists; nil if nobody can say anything.
func (m *moment) shownOverrides() *api.OverrideList {
	if m.overrides == nil {
		return nil
	}
	list := *m.overrides
	list.Overrides = atMost(listedOverrides, list.Overrides)
	return &list
}

// sentence is an override beside what it is about.
type sentence struct {
	Doing   string // "is drained"
	By      string
	Until   string // empty: it has no end
	Endless bool   // which a person should know; a planned move is known to stay
	Reason  string
	Subject string
}

func sayOverride(o *api.Override) sentence {
	s := sentence{Doing: doing(o), By: o.By, Reason: o.Reason, Subject: subjectOf(o), Endless: o.Until.IsZero() && o.Switch == nil}
	if !o.Until.IsZero() {
		s.Until = when(o.Until)
	}
	return s
}

// subjectOf is what an override is about.
func subjectOf(o *api.Override) string {
	switch {
	case o.Kind == override.Pin:
		return zones.Plain(o.Name)
	case o.Member.IsValid():
		return o.Pool + "/" + o.Member.String()
	}
	return o.Pool
}

// doing is what an override does.
func doing(o *api.Override) string {
	switch {
	case o.Switch != nil && o.Switch.Phase == api.SwitchLowersTTL:
		return fmt.Sprintf("moves from %s to %s at %s", o.Switch.From, o.Pool, when(o.Switch.Move))
	case o.Switch != nil:
		return fmt.Sprintf("is moved from %s to %s (%s)", o.Switch.From, o.Pool, o.Switch.Phase)
	case o.Kind == override.Pin:
		return "is pinned to " + o.Pool
	case o.Kind == override.Drain:
		return "is drained"
	}
	return "is forced " + o.Status.String()
}

// ending is the link that ends an override: its move is aborted as long as that is possible. Empty: nothing
// can end it at present.
//
//	planned move             no replicated data is left   otherwise
//	lowering_ttl             abort                        abort
//	stopping_writes … marks  –                            abort
//	accepting, resuming      –                            nothing: a hook is run
//	watching                 abort                        end
//	done                     end                          end
func ending(o *api.Override) string {
	end := endOf(o.ID)
	abort := actPath + "?" + url.Values{"do": {"abort"}, "name": {o.Name}}.Encode()
	if o.Switch == nil {
		return end
	}
	switch o.Switch.Phase {
	case api.SwitchLowersTTL, api.SwitchStopsWrites, api.SwitchWritesMarks, api.SwitchAwaitsMarks:
		return abort
	case api.SwitchAcceptsWrites, api.SwitchResumesWrites:
		return ""
	case api.SwitchWatches:
		if o.Switch.Replication == "" {
			return abort
		}
	}
	return end
}

// endOf is the link that ends an override which is no move.
func endOf(id string) string { return actPath + "?" + url.Values{"do": {"end"}, "id": {id}}.Encode() }

// aborts reports whether the link of ending aborts a move.
func aborts(link string) bool { return strings.HasPrefix(link, actPath+"?do=abort&") }

// movesTo has the rows of names tell how far their planned moves are.
func movesTo(rows []nameRow, said []api.Override) {
	moves := make(map[string]*api.Switch)
	for i := range said {
		if said[i].Switch != nil {
			moves[said[i].Name] = said[i].Switch
		}
	}
	for i := range rows {
		if rows[i].Pin != nil {
			rows[i].Pin.Switch = moves[rows[i].Name]
		}
	}
}

func countOverrides(list *api.OverrideList) api.OverrideCounts {
	c := api.OverrideCounts{Total: list.Total}
	for i := range list.Overrides {
		if list.Overrides[i].Until.IsZero() {
			c.Endless++
		}
		if list.Overrides[i].Unmatched {
			c.Unmatched++
		}
	}
	return c
}
