package discover

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const token = "dop_v1_0123456789abcdef"

// account answers as DigitalOcean's API does: GET /v2/load_balancers, in pages.
func account(t *testing.T, total int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/v2/load_balancers" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("got %s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		page, _ := strconv.Atoi(r.FormValue("page"))
		size, _ := strconv.Atoi(r.FormValue("per_page"))
		page = max(page, 1)
		var list []map[string]any
		for i := (page - 1) * size; i < min(page*size, total); i++ {
			list = append(list, map[string]any{
				"id": fmt.Sprintf("4de7ac8b-495b-4884-9a69-%012d", i), "name": fmt.Sprintf("lb-%d", i), "status": "active",
				"ip": fmt.Sprintf("203.0.%d.%d", i/250, i%250+1), "ipv6": "", "network": "EXTERNAL", "algorithm": "round_robin",
				"region": map[string]any{"slug": "nyc3", "name": "New York 3", "available": true},
				"tag":    "web", "droplet_ids": []int{1, 2}, "forwarding_rules": []map[string]any{{"entry_protocol": "https", "entry_port": 443}},
			})
		}
		links := map[string]any{}
		if page*size < total {
			links["pages"] = map[string]string{
				"next": fmt.Sprintf("https://api.digitalocean.com/v2/load_balancers?page=%d", page+1),
				"last": fmt.Sprintf("https://api.digitalocean.com/v2/load_balancers?page=%d", (total+size-1)/size),
			}
		} else if page > 1 {
			links["pages"] = map[string]string{"first": "https://api.digitalocean.com/v2/load_balancers?page=1", "prev": fmt.Sprintf("https://api.digitalocean.com/v2/load_balancers?page=%d", page-1)}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(map[string]any{"load_balancers": list, "links": links, "meta": map[string]int{"total": total}})
	}
}

func list(t *testing.T, h http.HandlerFunc) ([]Balancer, error) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	return DigitalOcean{Token: token, API: server.URL, UserAgent: "gslb/test"}.List(t.Context())
}

func TestList(t *testing.T) {
	for _, total := range []int{0, 1, 200, 201, 450} {
		got, err := list(t, account(t, total))
		if err != nil || len(got) != total {
			t.Errorf("got %d load balancers and %v, want %d", len(got), err, total)
		}
	}
}

func TestBalancer(t *testing.T) {
	got, err := list(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"load_balancers": [
			{"id": "1", "name": "both", "ip": "203.0.113.10", "ipv6": "2604:a880::1", "region": {"slug": "ams3"}, "tag": "web", "tags": ["prod"]},
			{"id": "2", "name": "new", "ip": "", "status": "new", "region": {"slug": "nyc3"}},
			{"id": "3", "name": "inside", "ip": "10.1.0.3", "network": "INTERNAL", "region": {"slug": "nyc3"}},
			{"id": "4", "name": "everywhere", "ip": "203.0.113.20", "type": "GLOBAL"}
		], "links": {}, "meta": {"total": 4}}`)
	})
	want := []Balancer{
		{ID: "1", Name: "both", Region: "ams3", Tags: []string{"prod", "web"}, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2604:a880::1")}},
		{ID: "2", Name: "new", Region: "nyc3"},
		{ID: "3", Name: "inside", Region: "nyc3", Internal: true, Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.3")}},
		{ID: "4", Name: "everywhere", Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.20")}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// What is not the whole list is an error, and no error shows the token.
func TestListThatIsNotWhole(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a wrong token":     {status(401, `{"id": "unauthorized", "message": "Unable to authenticate you"}`), "the token is wrong or has ended"},
		"a scope too few":   {status(403, `{"id": "forbidden", "message": "You are not authorized to perform this operation"}`), "load_balancer:read"},
		"a limit":           {status(429, `{"id": "too_many_requests", "message": "API rate limit exceeded."}`), "ask less often"},
		"a fault of theirs": {status(503, "no server is available"), "the fault is DigitalOcean's"},
		"no JSON":           {status(200, "<html>"), "invalid character"},
		"half a list":       {status(200, `{"load_balancers": [{"ip": "203.0.113.10"}], "meta": {"total": 2}}`), "is not whole"},
		"no end":            {status(200, `{"load_balancers": [`+strings.Repeat(" ", maxReply)), "more than 4 MiB"},
		"a redirect":        {http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, "status 302"},
		"pages without end": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"load_balancers": [], "links": {"pages": {"next": "https://x/?page=2", "last": "https://x/?page=900"}}, "meta": {"total": 0}}`)
		}, "more than 50 pages"},
		"one is removed meanwhile": {func(w http.ResponseWriter, r *http.Request) {
			total := 450
			if r.FormValue("page") != "" && r.FormValue("page") != "1" {
				total--
			}
			account(t, total)(w, r)
		}, "changed while it was read"},
		"one is removed and another added meanwhile": {func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("page") == "2" { // the first of it was the last of the page before
				fmt.Fprint(w, `{"load_balancers": [{"id": "4de7ac8b-495b-4884-9a69-000000000199", "ip": "203.0.113.10"}], "meta": {"total": 201}}`)
				return
			}
			account(t, 201)(w, r)
		}, "changed while it was read"},
		"a page that is missing": {func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("page") == "2" {
				w.WriteHeader(500)
				return
			}
			account(t, 300)(w, r)
		}, "status 500"},
	} {
		got, err := list(t, c.answer)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(fmt.Sprintf("%+v", err), token) || got != nil {
			t.Errorf("%s: got %d load balancers and %v, want %q", what, len(got), err, c.want)
		}
	}
}
