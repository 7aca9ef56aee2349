package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"gslb/admin/api"
)

// Status is the answer of /api/status. Fields are added in later versions, never renamed or taken away.
type Status struct {
	api.Status
	Matched api.Matched `json:"matched"` // how long the lists below would be without a limit

	Names   []api.Name   `json:"names"`   // by zone and name
	Pools   []api.Pool   `json:"pools"`   // by name
	Targets []api.Target `json:"targets"` // by id
	Events  []Event      `json:"events"`  // the latest first
}

// serveStatus answers /api/status.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	sel, err := parseSelection(r.URL.RawQuery)
	if err != nil {
		refuseJSON(w, http.StatusBadRequest, err)
		return
	}
	m, lent, release, err := s.moments.take(r.Context(), s.momentKey(), s.observe)
	if err != nil {
		refuseBusy(w, err)
		return
	}
	defer release()
	v := s.view(m, sel)
	if err := unknownName(sel, &v.Config, v.Matched.Names); err != nil {
		refuseJSON(w, http.StatusNotFound, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Method == http.MethodHead {
		return
	}
	if err := s.stream(lent, w, v.writeJSON); err != nil {
		refuseBusy(w, err)
	}
}

// apiError is the body of every answer of the API that is not 200.
type apiError struct {
	Error string `json:"error"`
}

func refuseJSON(w http.ResponseWriter, code int, why error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(apiError{why.Error()}) // the client is gone if it fails
}

// unknownName is the error of asking for one name that is not steered here. Before the
// first publication nobody can tell.
func unknownName(sel selection, live *api.Config, matched int) error {
	if sel.name == "" || live.Hash == "" || matched > 0 {
		return nil
	}
	if sel.text != "" {
		return nil // the name may exist, and only the text not match
	}
	return fmt.Errorf("no name %s is steered here: names are matched whole, a wildcard as \"*.example.com\"", sel.name)
}

// writeJSON writes the view as the JSON of a [Status], a row at a time. The indentation is
// for those who read it with curl.
func (v view) writeJSON(out *bufio.Writer) error {
	head, err := json.MarshalIndent(struct {
		api.Status
		Matched api.Matched `json:"matched"`
	}{v.Status, v.Matched}, "", "  ")
	if err != nil {
		return err
	}
	out.Write(bytes.TrimSuffix(head, []byte("\n}"))) // a bufio.Writer keeps its first error
	for _, list := range []func() error{
		func() error { return writeList(out, "names", v.Names.Rows) },
		func() error { return writeList(out, "pools", v.Pools.Rows) },
		func() error { return writeList(out, "targets", v.Targets.Rows) },
		func() error { return writeList(out, "events", v.Events.Rows) },
	} {
		if err := list(); err != nil {
			return err
		}
	}
	_, err = out.WriteString("\n}\n")
	return err
}

func writeList[T any](out *bufio.Writer, name string, rows iter.Seq[T]) error {
	fmt.Fprintf(out, ",\n  %q: [", name)
	before, after := "\n    ", "]"
	for row := range rows {
		text, err := json.MarshalIndent(row, "    ", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out.WriteString(before)
		if _, err := out.Write(text); err != nil {
			return err
		}
		before, after = ",\n    ", "\n  ]"
	}
	_, err := out.WriteString(after)
	return err
}
