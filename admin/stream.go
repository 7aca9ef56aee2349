package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gslb/admin/api"
)

// Bounds on event streams. A stream keeps nothing of its own: it sends what is remembered for all, so
// that a reader costs no more than a connection.
const (
	heartbeat    = 15 * time.Second // between signs of life; a proxy closes what is silent
	streamWrite  = 10 * time.Second // how long a reader may take for what it is sent
	streamEvents = 100              // that are written at a time
	retryAfter   = 3 * time.Second  // when a reader is to connect again
)

// listEvents answers with an api.EventList.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	if wantsStream(r) {
		return s.streamEvents(w, r)
	}
	q, err := parseQuery(r.URL.RawQuery, "after", "limit")
	if err != nil {
		return err
	}
	var found some
	if q.values.Has("after") {
		found = s.eventsAfter(r.Context(), q.after, q.limit)
	} else {
		found = s.lastEvents(r.Context(), q.limit)
	}
	list := api.EventList{Events: found.events, Last: found.last, Missed: found.missed}
	if len(list.Events) > 0 {
		list.Last = list.Events[len(list.Events)-1].ID
	}
	return answerJSON(w, r, http.StatusOK, list)
}

// wantsStream reports whether the client asks for server-sent events.
func wantsStream(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Accept"], func(accept string) bool {
		return accept == "text/event-stream" // as browsers send it, and nothing else
	})
}

// streamEvents sends events as they happen (WHATWG HTML, section 9.2, server-sent events): each with its
// ID and as JSON. A reader that comes back says the last ID that it has, and is sent those after it. One
// that has missed some is told so by an event "missed". Without an ID only what is new is sent.
func (s *Server) streamEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "after")
	if err != nil {
		return err
	}
	at := s.events.lastOf(1).last
	if q.values.Has("after") {
		at = q.after
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if at, err = strconv.ParseUint(id, 10, 64); err != nil {
			return api.NewProblem(api.BadRequest, "header Last-Event-ID: %q is not the ID of an event", cut(id, 100))
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for a proxy in front
	if r.Method == http.MethodHead {
		return nil
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // a stream lasts; where there are none, none cut it off
	to := &eventWriter{w: w, flush: c.Flush, extend: func() { _ = c.SetWriteDeadline(time.Now().Add(streamWrite)) }}
	if err := to.send("retry: %d\n\n", retryAfter.Milliseconds()); err != nil {
		return nil // the client is gone, here and below
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		news := s.eventsAfter(r.Context(), at, streamEvents)
		if news.missed {
			if to.send("event: missed\ndata: {\"after\": %d}\n\n", at) != nil {
				return nil
			}
		}
		if n := len(news.events); n > 0 {
			if to.events(news.events) != nil {
				return nil
			}
			at = news.events[n-1].ID
			continue
		}
		select {
		case <-news.changed:
		case <-beat.C:
			if to.send(": \n\n") != nil {
				return nil
			}
		case <-r.Context().Done():
			return nil
		case <-s.stopping:
			return nil
		}
	}
}

// eventWriter writes server-sent events. A reader that does not take them in time is cut off.
type eventWriter struct {
	w      http.ResponseWriter
	flush  func() error
	extend func()
}

func (e *eventWriter) send(format string, args ...any) error {
	e.extend()
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return err
	}
	return e.flush()
}

func (e *eventWriter) events(events []Event) error {
	e.extend()
	for i := range events {
		text, err := json.Marshal(&events[i]) // has no line breaks
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(e.w, "id: %d\ndata: %s\n\n", events[i].ID, text); err != nil {
			return err
		}
	}
	return e.flush()
}
