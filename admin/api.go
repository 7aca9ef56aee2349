package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// serveStatus answers /api/status.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	sel, err := parseSelection(r.URL.Query())
	if err != nil {
		s.writeJSON(w, http.StatusBadRequest, apiError{err.Error()})
		return
	}
	status := s.status(sel)
	if err := unknownName(sel, status); err != nil {
		s.writeJSON(w, http.StatusNotFound, apiError{err.Error()})
		return
	}
	s.writeJSON(w, http.StatusOK, status)
}

// apiError is the body of every answer of the API that is not 200.
type apiError struct {
	Error string `json:"error"`
}

// unknownName is the error of asking for one name that is not steered here. Before the
// first publication nobody can tell.
func unknownName(sel selection, status Status) error {
	if sel.name == "" || status.Config.Hash == "" || status.Matched.Names > 0 {
		return nil
	}
	if sel.text != "" {
		return nil // the name may be there, and the text not in it
	}
	return fmt.Errorf("no name %s is steered here: names are matched whole, a wildcard as \"*.example.com\"", sel.name)
}

// writeJSON encodes first and sends then, so that what cannot be encoded is an error of
// the server and not half an answer. The indentation is for those who read it with curl.
func (s *Server) writeJSON(w http.ResponseWriter, code int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		s.options.Logger.Error("encode the answer of the API", "error", err)
		http.Error(w, "the answer could not be encoded; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body.Bytes()) // the client is gone if it fails
}
