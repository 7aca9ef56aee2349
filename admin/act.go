package admin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/admin/api"
	"gslb/override"
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

// action is what a person asks for on a form.
type action struct {
	Do                   string // "drain", "force", "pin", "failback" or "end"
	Pool, Member, Status string
	Name                 string
	ID                   string // of the override that ends
	Reason               string
	For                  string // "2h"; forever: it has no end
	Anyway               bool
	Seen                 string // the digest of the effect that was shown

	step, token string
}

const forever = "forever"

// lengths are for how long a person can have it hold.
func lengths() []string {
	return []string{"15m", "30m", "1h", "2h", "4h", "8h", "24h", "72h", "168h", forever}
}

const usualLength = "2h"

// readAction reads the values of a form, or the parameters of the link to it.
func readAction(values url.Values, isLink bool) (action, error) {
	a := action{For: usualLength}
	fields := map[string]*string{"do": &a.Do, "pool": &a.Pool, "member": &a.Member, "status": &a.Status, "name": &a.Name, "id": &a.ID}
	anyway := ""
	if !isLink {
		maps.Copy(fields, map[string]*string{"reason": &a.Reason, "for": &a.For, "force": &anyway, "seen": &a.Seen, "step": &a.step, "token": &a.token})
	}
	for key, list := range values {
		field, known := fields[key]
		switch {
		case !known:
			return a, api.NewProblem(api.BadRequest, "%q is not a field of this form: want %s", cut(key, 100), listed(slices.Sorted(maps.Keys(fields))))
		case len(list) > 1:
			return a, api.NewProblem(api.BadRequest, "%s: given %d times, want once", key, len(list))
		case len(list[0]) > longestFilter:
			return a, api.NewProblem(api.BadRequest, "%s: has %d bytes, want at most %d", key, len(list[0]), longestFilter)
		}
		*field = list[0]
	}
	a.Anyway = anyway == "true"
	a.token = strings.TrimSpace(a.token)
	return a, a.check()
}

// check finds what a link or a form cannot be about. What the server has, the Operator knows.
func (a *action) check() error {
	missing := ""
	switch a.Do {
	case "drain", "force":
		missing = word(a.Pool == "", "pool")
	case "pin", "failback":
		missing = word(a.Name == "", "name")
	case "end":
		kind, _, is := strings.Cut(a.ID, "/")
		missing = word(!is || !slices.Contains([]override.Kind{override.Pin, override.Drain, override.Force}, override.Kind(kind)), "id")
	default:
		return api.NewProblem(api.BadRequest, "do: %q is not one of drain, force, pin, failback, end; begin with a link on the page", cut(a.Do, 100))
	}
	switch {
	case missing != "":
		return api.NewProblem(api.BadRequest, "%s: it is missing; begin with a link on the page", missing)
	case !slices.Contains(lengths(), a.For):
		return api.NewProblem(api.BadRequest, "for: %q is not one of %s", cut(a.For, 100), listed(lengths()))
	case !slices.Contains([]string{"", "form", "preview", "do"}, a.step):
		return api.NewProblem(api.BadRequest, "step: %q is not one of form, preview, do", cut(a.step, 100))
	}
	return nil
}

// Holds reports whether it begins an override, which has a reason and a length.
func (a action) Holds() bool { return a.Do == "drain" || a.Do == "force" || a.Do == "pin" }

// Subject is what it is about.
func (a action) Subject() string {
	switch {
	case a.Do == "pin", a.Do == "failback":
		return zones.Plain(zones.Qualified(a.Name))
	case a.Do == "end":
		_, subject, _ := strings.Cut(a.ID, "/")
		return zones.Plain(subject)
	case a.Member != "":
		return a.Pool + "/" + a.Member
	}
	return a.Pool
}

// String says what is done.
func (a action) String() string {
	switch {
	case a.Do == "failback":
		return "Return " + a.Subject() + " to its preferred pool"
	case a.Do == "end":
		kind, _, _ := strings.Cut(a.ID, "/")
		return "Un" + kind + " " + a.Subject()
	case a.Do == "pin" && a.Pool != "":
		return "Pin " + a.Subject() + " to " + a.Pool
	case a.Do == "force" && a.Status != "":
		return "Force " + a.Subject() + " " + a.Status
	}
	return strings.ToUpper(a.Do[:1]) + a.Do[1:] + " " + a.Subject()
}

// effect is what an action changes, or has changed.
type effect struct {
	Changes      []api.Change
	ChangesTotal int
	Answers      []api.Answer
	Notes        []string
	Said         []string // what is so then, a line each
}

// LeavesNothing reports whether names are left without a pool.
func (e *effect) LeavesNothing() bool {
	return slices.ContainsFunc(e.Changes, func(c api.Change) bool { return c.LeavesNothing })
}

// digest tells effects apart by what is answered, and not by why, which may tell a time.
func (e *effect) digest() string {
	changes := slices.Clone(e.Changes)
	for i := range changes {
		changes[i].Why = ""
	}
	text, err := json.Marshal([]any{changes, e.ChangesTotal})
	if err != nil {
		panic(err) // texts and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// perform has the Operator do an action, or tell what it would change.
func (a action) perform(ctx context.Context, o Operator, by string, preview bool) (*effect, error) {
	var result *api.OverrideResult
	var err error
	switch {
	case a.Do == "failback":
		return a.failBack(ctx, o, by, preview)
	case a.Do == "end":
		result, err = o.Remove(ctx, by, a.ID, &api.RemoveRequest{Reason: a.Reason, Preview: preview})
	default:
		request := &api.OverrideRequest{
			Kind: a.Do, Name: a.Name, Pool: a.Pool, Member: a.Member, Status: a.Status, Reason: a.Reason, For: strings.TrimPrefix(a.For, forever),
			Force: a.Anyway, Preview: preview,
		}
		if preview {
			result, err = o.Preview(ctx, by, request)
		} else {
			result, err = o.Put(ctx, by, request)
		}
	}
	if err != nil {
		return nil, err
	}
	e := &effect{Changes: result.Changes, ChangesTotal: result.ChangesTotal, Answers: result.Answers, Notes: result.Notes}
	for i := range result.Overrides {
		if a.Do == "end" {
			e.Said = append(e.Said, fmt.Sprintf("%s: ended by %s", overrideText(&result.Overrides[i]), by))
		} else {
			e.Said = append(e.Said, overrideText(&result.Overrides[i]))
		}
	}
	return e, nil
}

func (a action) failBack(ctx context.Context, o Operator, by string, preview bool) (*effect, error) {
	var result *api.FailbackResult
	var err error
	if preview {
		result, err = o.PreviewFailback(ctx, zones.Qualified(a.Name))
	} else {
		result, err = o.Failback(ctx, by, zones.Qualified(a.Name))
	}
	if err != nil {
		return nil, err
	}
	return &effect{
		Changes: result.Changes, ChangesTotal: len(result.Changes), Answers: result.Answers, Notes: result.Notes,
		Said: []string{fmt.Sprintf("%s was returned to its preferred pool by %s", a.Subject(), by)},
	}, nil
}

// actPage is what the template of the form is given.
type actPage struct {
	Server string
	action
	Refused  *api.Problem // why nothing was done
	Advice   string       // what to do about that, besides what it says
	Effect   *effect      // what it would change; nil: the form is shown
	Pools    []string     // that a name can be pinned to
	Members  []string     // of the pool
	Known    string       // who asks, without a token
	NoTokens string       // why nobody can do anything from here
}

// Lengths are those to choose from.
func (actPage) Lengths() []string { return lengths() }

// Anyhow reports whether to ask if it is wanted whatever comes of it. For a pin that changes what it does,
// so that it is asked before the preview.
func (p actPage) Anyhow() bool {
	switch p.Do {
	case "pin":
		return p.Effect == nil
	case "drain":
		return p.Anyway || p.Effect != nil && p.Effect.LeavesNothing() || p.Refused != nil && p.Refused.Type == api.LeavesNothing
	}
	return false
}

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
	who, refusal := IdentityOf(r.Context()), (*refusal)(nil)
	if a.step == "do" {
		who, refusal = s.actor(r, a.token)
	}
	shown, err := s.preview(ctx, who.By, &a)
	switch {
	case refusal != nil:
		s.refused[refusal.reason].Add(1)
		if refusal.challenge != "" {
			w.Header().Set("WWW-Authenticate", refusal.challenge)
		}
		s.answerForm(w, r, a, shown, refusal.problem)
		return
	case err != nil || a.step != "do":
		s.answerForm(w, r, a, shown, err)
		return
	case a.Seen != shown.digest():
		s.answerForm(w, r, a, shown, api.NewProblem(api.Conflict, "nothing was done yet: what it would change by now is this"))
		return
	}
	done, err := a.perform(ctx, s.options.Operator, who.By, false)
	if err != nil {
		s.answerForm(w, r, a, shown, err)
		return
	}
	to := "/?" + url.Values{"done": {s.deeds.add(done)}}.Encode() + "#done"
	http.Redirect(w, r, to, http.StatusSeeOther)
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
		p.Seen = shown.digest()
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
	if n := table.Set().Name(zones.Qualified(p.Name)); p.Do == "pin" && n != nil {
		for pool := range n.Steering.Candidates() {
			p.Pools = append(p.Pools, pool.Name)
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
	case api.TooMany:
		return "Nothing was done. Wait, then try again."
	case api.LeavesNothing:
		return "Nothing was done. Tick the box below if it is wanted nevertheless."
	case api.NotFound:
		return "Nothing was done. The configuration or the overrides may have changed since the page was loaded: go back to it."
	}
	return "Nothing was done."
}

// deeds remembers what was done from the page, so that the page can say so: the address has only a number
// that nobody can guess. It is safe for concurrent use.
type deeds struct {
	mu   sync.Mutex
	list []deed // the oldest first
}

type deed struct {
	id string
	at time.Time
	*effect
}

// Bounds on deeds.
const (
	deedsKept = 50
	deedsLast = 10 * time.Minute
)

func (d *deeds) add(e *effect) (id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == deedsKept {
		d.list = slices.Delete(d.list, 0, 1)
	}
	id = rand.Text()
	d.list = append(d.list, deed{id, time.Now(), e})
	return id
}

// of is what was done; nil if that was long ago, or never.
func (d *deeds) of(id string, now time.Time) *effect {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.list {
		if one.id == id && now.Sub(one.at) < deedsLast {
			return one.effect
		}
	}
	return nil
}
