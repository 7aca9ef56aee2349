package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/health"
	"gslb/override"
)

// Pusher takes what is said of targets of push checks. All methods are safe for concurrent use.
type Pusher interface {
	// Target is the target with an ID, if it is probed.
	Target(health.TargetID) (health.Target, bool)
	// Push takes in what is said of a target, and has it judged at once.
	Push(health.TargetID, health.Pushed)
}

// push takes an api.PushRequest, or nothing, which says that the target works. Who asks must have the check's
// own token, or come over the socket.
func (s *Server) push(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseQuery(r.URL.RawQuery); err != nil {
		return err
	}
	if s.options.Pusher == nil {
		return api.NewProblem(api.Unavailable, "this server takes no pushes")
	}
	check, subject := r.PathValue("check"), r.PathValue("subject")
	id := health.PushTarget(check, subject)
	target, _ := s.options.Pusher.Target(id)
	spec, is := target.Spec.(*health.Push)
	is = is && spec.Check == check && spec.Subject == subject
	if err := s.mayPush(w, r, spec, is); err != nil {
		return err
	}
	if !is {
		return api.NewProblem(api.NotFound, "there is no check of type \"push\" with this path: %s; GET %stargets?q=push lists those there are", cut(r.URL.Path, longestPath), v1)
	}
	said, err := readPush(w, r, spec)
	if err != nil {
		return err
	}
	s.options.Pusher.Push(id, said)
	result := api.PushResult{Target: string(id), At: said.At, Until: said.At.Add(spec.MaxAge)}
	return answerJSON(w, r, http.StatusOK, result)
}

// mayPush refuses whoever may not push.
//
//	over the socket               may
//	a check's own token           may
//	no token                      401
//	another token, or several     401, and counted as a wrong guess
//	no such check                 404 for everybody; with read_token 401 for those who are not known
func (s *Server) mayPush(w http.ResponseWriter, r *http.Request, spec *health.Push, is bool) error {
	settings := s.options.Settings()
	var err error
	switch {
	case IdentityOf(r.Context()).Known(), !is && !settings.ReadToken:
		return nil
	case len(r.Header["Authorization"]) == 0:
		err = errNoPush
	default:
		err = s.try(r, func() bool { return is && spec.Takes(tokenOf(r)) })
	}
	if err == nil {
		return nil
	}
	refusal := unknown(toPush, settings, err)
	s.refused[refusal.reason].Add(1)
	if refusal.challenge != "" {
		w.Header().Set("WWW-Authenticate", refusal.challenge)
	}
	return refusal.problem
}

// readPush reads what is said of a target.
func readPush(w http.ResponseWriter, r *http.Request, spec *health.Push) (said health.Pushed, err error) {
	said.At = time.Now()
	if r.ContentLength == 0 {
		return said, nil
	}
	var asked api.PushRequest
	if err := readBody(w, r, bodyMost, &asked); err != nil {
		return said, err
	}
	switch asked.Status {
	case "", "pass":
	case "fail":
		said.Failed = true
	default:
		return said, api.NewProblem(api.BadRequest, "status: %q is neither pass nor fail", cut(asked.Status, 100))
	}
	if asked.Reason != "" {
		if err := override.CheckReason(asked.Reason); err != nil {
			return said, api.NewProblem(api.BadRequest, "%v", err)
		}
		said.Why = asked.Reason
	}
	said.Load, err = pushedLoad(asked.Load, spec)
	return said, err
}

// pushedLoad reads a load or weight: a number or, as a text, a percentage.
func pushedLoad(value any, spec *health.Push) (*health.Load, error) {
	if value == nil {
		return nil, nil
	}
	if spec.Load.Source == "" {
		return nil, api.NewProblem(api.BadRequest, "load: check %q does not look at it; set weight_from = \"push\" there, or leave it out", spec.Check)
	}
	load := new(health.Load)
	ok := false
	switch v := value.(type) {
	case float64:
		load.Value, ok = v, true
	case string:
		var digits string
		var err error
		digits, load.Percent = strings.CutSuffix(v, "%")
		load.Value, err = strconv.ParseFloat(digits, 64)
		ok = load.Percent && err == nil
	}
	if !ok || !(load.Value >= 0 && load.Value <= spec.Load.Most) {
		return nil, api.NewProblem(api.BadRequest, `load: want a number from 0 to %g, or a percentage such as "75%%"`, spec.Load.Most)
	}
	return load, nil
}
