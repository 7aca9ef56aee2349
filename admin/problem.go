package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"gslb/admin/api"
)

// v1 is where version 1 of the API begins.
const v1 = "/api/v1/"

// refuse answers with a problem: in the API as JSON (RFC 9457), elsewhere as a line of text, since a
// person reads it.
func refuse(w http.ResponseWriter, r *http.Request, p *api.Problem) {
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if !strings.HasPrefix(r.URL.Path, v1) {
		http.Error(w, p.Error(), p.Status)
		return
	}
	told := *p
	if told.Instance == "" {
		told.Instance = cut(r.URL.EscapedPath(), longestPath)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(told.Status)
	if r.Method != http.MethodHead {
		_ = writeIndented(w, told) // the client is gone if it fails
	}
}

// longestPath bounds what a problem repeats of the path that was asked for, in bytes.
const longestPath = 1000

// writeIndented writes a value as JSON; the indentation is for those who read it with curl.
func writeIndented(w http.ResponseWriter, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
