package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gslb/admin/api"
)

// The rate of a name is in the API and on the page; one that is not counted is shown as nothing.
func TestRatesOfNames(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.publish(now)
	s, _ := w.server()
	rate := 12.5
	s.options.Rates = func(name string) float64 {
		if name == "app.gslb.example.com." {
			return rate
		}
		return -1
	}
	var list api.NameList
	if err := json.Unmarshal(get(t, s, "/api/v1/names").Body.Bytes(), &list); err != nil || len(list.Names) < 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, n := range list.Names {
		if counted := n.Name == "app.gslb.example.com."; counted != (n.Rate != nil) || counted && *n.Rate != rate {
			t.Errorf("%s has %v", n.Name, n.Rate)
		}
	}
	page := get(t, s, "/").Body.String()
	if !strings.Contains(page, perSecond(rate)) || strings.Contains(page, perSecond(-1)) {
		t.Errorf("the page does not have %s, or has a rate that is not known", perSecond(rate))
	}
}
