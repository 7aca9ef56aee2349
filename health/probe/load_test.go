package probe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gslb/health"
)

// A number is taken as people and programs write it, and nothing else.
func TestParseLoad(t *testing.T) {
	for text, want := range map[string]string{
		"72": "72", "72%": "72%", " 72.5 % ": "72.5%", "0": "0", "1e2": "100", "1000": "1000", "+5": "5",
		"": "it is not there", "1001": `"1001" is not from 0 to 1000`, "-1": `"-1" is not from 0 to 1000`,
		"1e999": `"1e999" is not from 0 to 1000`, "NaN": `"NaN" is not a number`, "inf": `"inf" is not a number`,
		"0x10": `"0x10" is not a number`, "1_0": `"1_0" is not a number`, "high": `"high" is not a number`,
		"%": `"%" is not a number`, "7 2": `"7 2" is not a number`, "72%%": `"72%%" is not a number`,
		strings.Repeat("9", 5000): `"` + strings.Repeat("9", maxLoadText) + `" is not from 0 to 1000`,
	} {
		load, err := parseLoad(text, 1000)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(load.Value)
			if load.Percent {
				got += "%"
			}
		}
		if got != want {
			t.Errorf("%.40q: %s, want %s", text, got, want)
		}
	}
}

// A response that passes tells its load; what it says wrongly is said, and is no fail.
func TestLoadOfAResponse(t *testing.T) {
	for _, tt := range []struct {
		status       int
		header       string
		load, detail string
	}{
		{200, "83.5", "83.5", "status 200"},
		{200, "", "none", "status 200; no header:X-Load: it is not there"},
		{200, "high", "none", `status 200; no header:X-Load: "high" is not a number`},
		{503, "10", "none", "status 503, want 200"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.header != "" {
				w.Header().Set("x-load", tt.header)
			}
			w.WriteHeader(tt.status)
		}))
		spec := &health.HTTP{URL: server.URL, Method: "GET", Status: []health.StatusRange{{From: 200, To: 200}}, Load: health.LoadFrom{Source: "header", Name: "X-Load", Most: 1000}}
		result := runPromptly(t, mustMake(t, Options{}, spec))
		server.Close()
		load := "none"
		if result.Notes != nil && result.Notes.Load != nil {
			load = fmt.Sprint(result.Notes.Load.Value)
		}
		if load != tt.load || result.Detail != tt.detail {
			t.Errorf("%d %q: load %s, %q; want %s, %q", tt.status, tt.header, load, result.Detail, tt.load, tt.detail)
		}
	}
}
