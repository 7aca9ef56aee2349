package admin

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/incident"
)

// incidentsAt are some that last, and one that has ended, as a Book lists them.
func incidentsAt(now time.Time) []incident.Incident {
	return []incident.Incident{
		{ID: "names/ams+nyc/3", Kind: incident.AllDown, Subject: "ams+nyc", Critical: true, Since: now.Add(-time.Minute), Text: "app has no pool left"},
		{ID: "pool/nyc/2", Kind: incident.Failover, Subject: "nyc", Since: now.Add(-time.Hour), Text: "nyc is down"},
		{ID: "pool/sfo/1", Kind: incident.Failover, Subject: "sfo", Since: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour), Text: "sfo is up again"},
	}
}

func TestListIncidents(t *testing.T) {
	w := newWorld(time.Now())
	w.incidents = incidentsAt(time.Now())
	s, _ := w.server()
	tests := []struct {
		query string
		total int
		want  []string
	}{
		{"", 3, []string{"names/ams+nyc/3", "pool/nyc/2", "pool/sfo/1"}},
		{"state=open", 2, []string{"names/ams+nyc/3", "pool/nyc/2"}},
		{"state=ended", 1, []string{"pool/sfo/1"}},
		{"q=FAILover", 2, []string{"pool/nyc/2", "pool/sfo/1"}},
		{"limit=1&offset=1", 3, []string{"pool/nyc/2"}},
		{"offset=9", 3, nil},
	}
	for _, test := range tests {
		response := get(t, s, v1+"incidents?"+test.query)
		var list api.IncidentList
		if err := json.Unmarshal(response.Body.Bytes(), &list); err != nil || response.Code != http.StatusOK {
			t.Fatalf("%s: status %d: %v", test.query, response.Code, err)
		}
		var ids []string
		for _, i := range list.Incidents {
			ids = append(ids, i.ID)
		}
		if diff := cmp.Diff(test.want, ids); diff != "" || list.Total != test.total {
			t.Errorf("%s: total %d, want %d (-want +got):\n%s", test.query, list.Total, test.total, diff)
		}
	}
	if response := get(t, s, v1+"incidents?state=closed"); response.Code != http.StatusBadRequest {
		t.Errorf("a state that is not known: status %d", response.Code)
	}
}

// What incidents say is not said again by counts.
func TestProblemsAreIncidentsFirst(t *testing.T) {
	w, _ := failedOver(time.Now())
	s, _ := w.server()
	counts := s.status(s.observe()).Problems
	w.incidents = incidentsAt(time.Now())[1:]
	got := s.status(s.observe()).Problems
	if diff := cmp.Diff([]api.Trouble{{Text: "nyc is down", Incident: "pool/nyc/2"}}, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s\nwithout incidents:\n%+v", diff, counts)
	}
	if len(counts) < 2 {
		t.Errorf("without incidents the problems are %+v, want counts", counts)
	}
}
