package admin

import (
	"context"
	"net/http"
	"time"

	"gslb/admin/api"
)

// Notifier tells people of incidents. Its methods are safe for concurrent use.
type Notifier interface {
	// Targets is who is told, and how that goes.
	Targets() *api.NotifyList
	// Test sends a message that is about nothing.
	Test(ctx context.Context, by string, r *api.NotifyTestRequest) (*api.NotifyTestResult, error)
}

// notifyTime is how long a test may take: a message has twenty seconds to be taken.
const notifyTime = 25 * time.Second

// listNotify answers with an api.NotifyList.
func (s *Server) listNotify(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if s.options.Notifier == nil {
		return errTellsNobody()
	}
	return answerJSON(w, r, http.StatusOK, s.options.Notifier.Targets())
}

// testNotify takes an api.NotifyTestRequest, or nothing, which means all targets.
func (s *Server) testNotify(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return command(s, w, r, notifyTime, func(ctx context.Context, _ Operator, by string) (*api.NotifyTestResult, error) {
		if s.options.Notifier == nil {
			return nil, errTellsNobody()
		}
		asked := new(api.NotifyTestRequest)
		if r.ContentLength != 0 {
			if err := readBody(w, r, bodyMost, asked); err != nil {
				return nil, err
			}
		}
		return s.options.Notifier.Test(ctx, by, asked)
	})
}

func errTellsNobody() error {
	return api.NewProblem(api.Unavailable, "this server tells nobody of incidents")
}
