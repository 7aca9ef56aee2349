package admin

import (
	"fmt"
	"slices"

	"gslb/admin/api"
)

// overrideLines is how many overrides are named among what a person should know first.
const overrideLines = 10

// overrides lists what people have said that is in force, those without an end first, and what should be
// and is not.
func (s *Server) overrides() []api.Trouble {
	if s.options.Operator == nil {
		return nil
	}
	list := s.options.Operator.Overrides()
	var all []api.Trouble
	if list.SetAside != "" {
		all = append(all, api.Trouble{Critical: true, Text: "Override: " + list.SetAside})
	}
	hasEnd := func(o api.Override) bool { return !o.Until.IsZero() }
	said := slices.Concat(slices.DeleteFunc(slices.Clone(list.Overrides), hasEnd),
		slices.DeleteFunc(slices.Clone(list.Overrides), func(o api.Override) bool { return !hasEnd(o) }))
	for i := range said {
		if i == overrideLines {
			all = append(all, api.Trouble{Text: fmt.Sprintf("Override: %d more, which gslb overrides lists", len(said)-i)})
			break
		}
		all = append(all, api.Trouble{Text: "Override: " + overrideText(&said[i])})
	}
	return all
}

// overrideText says what an override does, who said so, and until when.
func overrideText(o *api.Override) string {
	subject := o.Pool
	if o.Member.IsValid() {
		subject += "/" + o.Member.String()
	}
	switch {
	case o.Switch != nil:
		subject = fmt.Sprintf("%s is moved from %s to %s (%s)", o.Name, o.Switch.From, o.Pool, o.Switch.Phase)
	case o.Name != "":
		subject = fmt.Sprintf("%s is pinned to %s", o.Name, o.Pool)
	case o.Status != 0:
		subject += " is forced " + o.Status.String()
	default:
		subject += " is drained"
	}
	end := "WITHOUT AN END"
	if !o.Until.IsZero() {
		end = "until " + when(o.Until)
	}
	text := fmt.Sprintf("%s by %s since %s, %s: %s", subject, o.By, when(o.Since), end, o.Reason)
	if o.Unmatched {
		text += " (the configuration does not have this, so that it changes nothing)"
	}
	return text
}
