package admin

import "slices"

// notesPage is how many notes are shown while there is no incident. The others fold, so that what is
// answered stays in sight; those that are critical never do.
const notesPage = 4

// matters finds what is wrong: the incidents that last, and what no incident tells.
func (s *Server) matters(p *page, m *moment) {
	for _, i := range m.incidents {
		switch {
		case !i.Until.IsZero():
			p.Ended = append(p.Ended, i)
		case len(p.Incidents) < incidentsPage:
			p.Incidents = append(p.Incidents, i)
		default:
			p.More++
		}
	}
	p.Ended = atMost(incidentsPage, p.Ended)
	_, told := m.ofIncidents()
	// What people have said is in a section of its own.
	p.Notes = worstFirst(slices.Concat(s.alarms(m, &p.Status, told), m.lostOverrides(), sayCopies(p.Replications), unready(p.Status), problems(p.Status, told), s.warnings(m)))
	shown := notesPage
	if len(p.Incidents) > 0 {
		shown = 0
	}
	for i, n := range p.Notes {
		if !n.Critical && i >= shown {
			p.Notes, p.Folded = p.Notes[:i], p.Notes[i:]
			break
		}
	}
}
