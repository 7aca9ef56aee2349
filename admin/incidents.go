package admin

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strings"

	"gslb/admin/api"
	"gslb/incident"
)

// incidentStates is of incidents.
func incidentStates() states[incident.Incident] {
	return states[incident.Incident]{
		"open":  func(_ *moment, i incident.Incident) bool { return i.Until.IsZero() },
		"ended": func(_ *moment, i incident.Incident) bool { return !i.Until.IsZero() },
	}
}

// listIncidents answers with an api.IncidentList.
func (s *Server) listIncidents(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "state", "q", "limit", "offset")
	if err != nil {
		return err
	}
	keep, err := incidentStates().of(q.state)
	if err != nil {
		return err
	}
	if s.options.Incidents == nil {
		return api.NewProblem(api.Unavailable, "this server does not look for incidents")
	}
	return s.observed(r, func(m *moment, lent context.Context) error {
		rows := pick(slices.Values(m.incidents), q.selection, func(i incident.Incident) bool {
			return (keep == nil || keep(m, i)) && hasText(i, q.text)
		}, nil)
		return answerList(s, lent, w, r, "incidents", rows, q)
	})
}

// hasText reports whether an incident has a text, in lower case, somewhere.
func hasText(i incident.Incident, text string) bool {
	if text == "" {
		return true
	}
	document, _ := json.Marshal(i)
	return strings.Contains(strings.ToLower(string(document)), text)
}

// told is of which kinds there are incidents that last: what they say need not be said again.
type told map[incident.Kind]bool

func (t told) any(kinds ...incident.Kind) bool {
	return slices.ContainsFunc(kinds, func(k incident.Kind) bool { return t[k] })
}

// ofIncidents is what the incidents that last say, and of which kinds they are.
func (m *moment) ofIncidents() ([]api.Trouble, told) {
	var list []api.Trouble
	kinds := make(told)
	for i := range m.lasting() {
		kinds[i.Kind] = true
		list = append(list, api.Trouble{Critical: i.Critical, Text: i.Text, Incident: i.ID, Override: i.Override})
	}
	return list, kinds
}

// lasting yields the incidents that last.
func (m *moment) lasting() iter.Seq[incident.Incident] {
	return func(yield func(incident.Incident) bool) {
		for _, i := range m.incidents {
			if i.Until.IsZero() && !yield(i) {
				return
			}
		}
	}
}
