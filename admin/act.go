package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"gslb/admin/api"
	"gslb/steer"
	"gslb/zones"
)

// actPath is where the page's links to drain, pin and so on lead:
//
//	GET  /act?do=drain&pool=nyc   the form
//	POST /act, step=preview       what would be answered otherwise; nothing is done
//	POST /act, step=do            it is done, and the browser led back to the page, which says so
//
// Whoever may read may look at a preview, as in explain. To do it somebody must be known: by their
// connection, or by the token that they type under the preview. The token is sent in the body of the last
// step only, and is neither kept nor shown. What is done is what was shown: if another change has come
// between, the form shows what it would change by now.
const actPath = "/act"

const formType = "application/x-www-form-urlencoded"

// Bounds on forms. Previews are bounded for those who are not known, since each decides names anew.
const (
	formMost          = 16 << 10 // bytes
	previewsPerSecond = 1
	previewsAtOnce    = 10
)

// actPage is what the template of the form is given.
type actPage struct {
	Server string
	action
	Refused  *api.Problem // why nothing was done
	Advice   string       // what to do about that, besides what it says
	Effect   *effect      // what it would change; nil: the form is shown
	Pools    []string     // that a name can be pinned or moved to
	Members  []string     // of the pool
	Copied   bool         // the data of one of these is replicated, so that a move may wait for it
	Known    string       // who asks, without a token
	NoTokens string       // why nobody can do anything from here
}

// Lengths are those to choose from.
func (actPage) Lengths() []string { return lengths() }

// Anyhow reports whether to ask if it is wanted whatever comes of it. For a pin that changes what it does,
// so that it is asked before the preview; of others it is asked when it is needed.
func (p actPage) Anyhow() bool {
	switch p.Do {
	case "move":
		return p.Effect == nil && (p.Anyway || p.refusedFor(api.NotUsable))
	case "pin":
		return p.Effect == nil
	case "drain":
		return p.Anyway || p.Effect != nil && p.Effect.LeavesNothing() || p.refusedFor(api.LeavesNothing)
	}
	return false
}

// Lossy reports whether to ask if a move is wanted although data is behind.
func (p actPage) Lossy() bool {
	return p.Do == "move" && p.Effect == nil && (p.Copied || p.Loss || p.refusedFor(api.DataBehind))
}

func (p actPage) refusedFor(kind string) bool { return p.Refused != nil && p.Refused.Type == kind }

// showAct answers with the form that a link of the page leads to.
func (s *Server) showAct(w http.ResponseWriter, r *http.Request) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.answerForm(w, r, action{}, nil, api.NewProblem(api.BadRequest, "the parameters can't be read: %v", err))
		return
	}
	a, err := readAction(values, true)
	s.answerForm(w, r, a, nil, err)
}

// act takes a form that was sent.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	a, err := s.readForm(w, r)
	if err != nil || a.step == "form" {
		s.answerForm(w, r, a, nil, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTime)
	defer cancel()
	if a.step != "do" {
		shown, err := s.preview(ctx, IdentityOf(r.Context()).By, &a)
		s.answerForm(w, r, a, shown, err)
		return
	}
	who, refusal := s.actor(r, a.token)
	if refusal != nil {
		s.refused[refusal.reason].Add(1)
		if refusal.challenge != "" {
			w.Header().Set("WWW-Authenticate", refusal.challenge)
		}
		shown, _ := s.preview(ctx, "", &a)
		s.answerForm(w, r, a, shown, refusal.problem)
		return
	}
	id, shown, err := s.perform(ctx, who.By, &a)
	if err != nil {
		s.answerForm(w, r, a, shown, err)
		return
	}
	http.Redirect(w, r, "/?"+url.Values{"done": {id}}.Encode()+"#done", http.StatusSeeOther)
}

// perform does what a form has shown, and returns the id of the deed. If it fails, it returns what would be
// done by now. A form that is sent twice, as by a double click, is done once: the second waits for the first.
func (s *Server) perform(ctx context.Context, by string, a *action) (id string, shown *effect, err error) {
	if err := waitFor(ctx, s.acting); err != nil {
		return "", nil, api.NewProblem(api.Unavailable, "a form is still being carried out, perhaps this one: look at the page before it is sent again")
	}
	defer func() { <-s.acting }()
	if id := s.deeds.again(a.Once, time.Now()); id != "" {
		return id, nil, nil
	}
	if shown, err = s.preview(ctx, by, a); err != nil {
		return "", shown, err
	}
	if a.Seen != shown.digest() {
		return "", shown, api.NewProblem(api.Conflict, "nothing was done yet: what it would change by now is this")
	}
	done, err := a.perform(ctx, s.options.Operator, by, false)
	if err != nil {
		return "", shown, err
	}
	return s.deeds.add(a.Once, done), nil, nil
}

// readForm reads a form. Its fields stand in the body: what is in an address is kept by browsers and
// proxies.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) (action, error) {
	if r.URL.RawQuery != "" {
		return action{}, api.NewProblem(api.BadRequest, "the fields of a form stand in its body, and not in the address")
	}
	r.Body = http.MaxBytesReader(w, r.Body, formMost)
	if err := r.ParseForm(); err != nil {
		if _, is := errors.AsType[*http.MaxBytesError](err); is {
			return action{}, api.NewProblem(api.TooLarge, "the form has more than %d bytes", formMost)
		}
		return action{}, api.NewProblem(api.BadRequest, "the form can't be read")
	}
	return readAction(r.PostForm, false)
}

// preview tells what an action would change. By is who asks; empty: they are not known.
func (s *Server) preview(ctx context.Context, by string, a *action) (*effect, error) {
	if s.options.Operator == nil {
		return nil, api.NewProblem(api.Unavailable, "this server takes no commands")
	}
	if by == "" && !s.supposing.Allow() {
		p := api.NewProblem(api.TooMany, "too many previews were asked for: try again in a few seconds")
		p.RetryAfter = 5
		return nil, p
	}
	return a.perform(ctx, s.options.Operator, cmp.Or(by, "you"), true)
}

// actor finds out who acts with a form.
//
//	a token in it                                       its owner; else 401, or 429 for too many wrong ones
//	over the socket, with the page's own origin         the user of the process that connected
//	a client's certificate, with the page's own origin  its subject
//	Authorization: Bearer                               the token's owner
//	anything else                                       401
//
// A browser sends a certificate and a password by itself, whatever site is behind a form. So a password
// does not count, and the others do only if the browser says that the form is this server's.
func (s *Server) actor(r *http.Request, token string) (Identity, *refusal) {
	settings := s.options.Settings()
	if token == "" {
		if who := s.knownBy(r); who.Known() && (r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") == "same-origin") {
			return who, nil
		}
	}
	err := errUnknown
	if len(settings.Tokens) > 0 {
		err = errNoForm
		if token != "" {
			who, wrong := s.bearer(r, token, settings.Tokens)
			if wrong == nil {
				return who, nil
			}
			err = wrong
		}
	}
	return Identity{}, unknown(toAct, settings, err)
}

// knownBy is who makes a request, if no token has to be typed for that.
func (s *Server) knownBy(r *http.Request) Identity {
	if _, _, is := r.BasicAuth(); is && !overSocket(r) {
		return Identity{}
	}
	return IdentityOf(r.Context())
}

// answerForm shows an action: with an effect what it would change, otherwise the form.
func (s *Server) answerForm(w http.ResponseWriter, r *http.Request, a action, shown *effect, refusal error) {
	a.token = ""
	p := actPage{Server: s.serverName(), action: a, Effect: shown, Known: s.knownBy(r).By}
	status := http.StatusOK
	if refusal != nil {
		p.Refused = s.problemOf(r, refusal)
		p.Advice = advice(p.Refused)
		status = p.Refused.Status
		if p.Refused.RetryAfter > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(p.Refused.RetryAfter))
		}
	}
	if shown != nil {
		p.Seen, p.Once = shown.digest(), rand.Text()
	}
	if settings := s.options.Settings(); p.Known == "" && len(settings.Tokens) == 0 {
		p.NoTokens = unknown(toAct, settings, errUnknown).problem.Detail
	}
	s.choices(&p)
	var out bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&out, "act.html", p); err != nil {
		panic(fmt.Errorf("render the form: %w", err))
	}
	// Without a referrer a browser does not say either which origin a form is from (Fetch, section 3.2).
	w.Header().Set("Referrer-Policy", "same-origin")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.Bytes()) // the client is gone if it fails
	}
}

// serverName tells this server from others.
func (s *Server) serverName() string {
	st := api.Status{Host: s.options.Host}
	if table := s.options.Table(); table != nil {
		st.ID = table.Set().Server.ID
	}
	return page{Status: st}.Server()
}

// choices finds what a person can choose from.
func (s *Server) choices(p *actPage) {
	table := s.options.Table()
	if table == nil {
		return
	}
	if n := table.Set().Name(zones.Qualified(p.Name)); (p.Do == "pin" || p.Do == "move") && n != nil {
		answersOnly := func(pool string) bool {
			return !slices.ContainsFunc(table.DecisionsOf(n), func(d *steer.Decision) bool { return d.PoolName() != pool })
		}
		for pool := range n.Steering.Candidates() {
			if p.Do == "move" && answersOnly(pool.Name) {
				continue // it is there
			}
			p.Pools = append(p.Pools, pool.Name)
			p.Copied = p.Copied || p.Do == "move" && pool.Replication != nil
		}
		p.Pools = atMost(cellItems*cellItems, p.Pools)
	}
	if pool := table.Set().Pool(p.Pool); pool != nil && (p.Do == "drain" || p.Do == "force") {
		for _, member := range atMost(cellItems*cellItems, table.Pools()[pool.Index].Members) {
			p.Members = append(p.Members, member.Address.String())
		}
	}
}

// advice says what to do about a refusal, where it does not say so itself.
func advice(p *api.Problem) string {
	switch p.Type {
	case api.Unauthorized:
		return "Nothing was done. A token is what gslb token printed when it was made; the server keeps only its hash."
	case api.Unavailable:
		return "" // it may have been done
	case api.TooMany:
		return "Nothing was done. Wait, then try again."
	case api.LeavesNothing, api.NotUsable, api.DataBehind:
		return "Nothing was done. Tick the box below if it is wanted nevertheless."
	case api.NotFound:
		return "Nothing was done. The configuration or the overrides may have changed since the page was loaded: go back to it."
	}
	return "Nothing was done."
}
