package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/admin/api"
	"gslb/override"
	"gslb/zones"
)

// action is what a person asks for on a form.
type action struct {
	Do                   string // one of doable
	Pool, Member, Status string
	Name                 string
	ID                   string // of the override that ends
	Reason               string
	For                  string // "2h"; forever: it has no end
	Anyway               bool
	Wait                 string // of a move, for what was written to arrive; empty: the usual time
	Loss                 bool   // a move is made although something that was written may be missing
	Seen                 string // the digest of the effect that was shown
	Once                 string // of the form that showed it, which is done once

	step, token string
}

// doable is what a form can be for.
func doable() []string {
	return []string{"drain", "force", "pin", "failback", "move", "abort", "end"}
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
	anyway, loss := "", ""
	if !isLink {
		maps.Copy(fields, map[string]*string{
			"reason": &a.Reason, "for": &a.For, "force": &anyway, "wait": &a.Wait, "accept_loss": &loss,
			"seen": &a.Seen, "once": &a.Once, "step": &a.step, "token": &a.token,
		})
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
	a.Anyway, a.Loss = anyway == "true", loss == "true"
	a.Reason, a.Wait, a.token = strings.TrimSpace(a.Reason), strings.TrimSpace(a.Wait), strings.TrimSpace(a.token)
	return a, a.check()
}

// check finds what a link or a form cannot be about. What the server has, the Operator knows.
func (a *action) check() error {
	missing := ""
	switch a.Do {
	case "drain", "force":
		missing = word(a.Pool == "", "pool")
	case "pin", "failback", "move", "abort":
		missing = word(a.Name == "", "name")
	case "end":
		kind, _, is := strings.Cut(a.ID, "/")
		missing = word(!is || !slices.Contains([]override.Kind{override.Pin, override.Drain, override.Force}, override.Kind(kind)), "id")
	default:
		return api.NewProblem(api.BadRequest, "do: %q is not one of %s; begin with a link on the page", cut(a.Do, 100), listed(doable()))
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
	case a.Name != "":
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
	case a.Do == "move" && a.Pool != "":
		return "Move " + a.Subject() + " to " + a.Pool
	case a.Do == "abort":
		return "Abort the move of " + a.Subject()
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
	Stages       []string // of a move, in order
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
	text, err := json.Marshal([]any{changes, e.ChangesTotal, e.Stages})
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
	case a.Do == "move", a.Do == "abort":
		return a.move(ctx, o, by, preview)
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

// move begins a planned move, or aborts it.
func (a action) move(ctx context.Context, o Operator, by string, preview bool) (*effect, error) {
	name := zones.Qualified(a.Name)
	request := &api.SwitchRequest{To: a.Pool, Reason: a.Reason, Force: a.Anyway, Wait: a.Wait, AcceptLoss: a.Loss}
	if preview {
		foresee := func() (*api.SwitchPreview, error) { return o.PreviewSwitch(ctx, by, name, request) }
		if a.Do == "abort" {
			foresee = func() (*api.SwitchPreview, error) { return o.PreviewAbort(ctx, name) }
		}
		shown, err := foresee()
		if err != nil {
			return nil, err
		}
		return &effect{Changes: shown.Changes, ChangesTotal: shown.ChangesTotal, Stages: shown.Stages, Notes: shown.Notes}, nil
	}
	begin := func() (*api.Switch, error) { return o.Switch(ctx, by, name, request) }
	said := "the move of %s from %s to %s was begun by %s: %s"
	if a.Do == "abort" {
		begin = func() (*api.Switch, error) { return o.Abort(ctx, by, name) }
		said = "the move of %s from %s to %s is aborted by %s: %s"
	}
	now, err := begin()
	if err != nil {
		return nil, err
	}
	return &effect{Said: []string{fmt.Sprintf(said, a.Subject(), cmp.Or(now.From, "no pool"), now.To, by, now.Detail)}}, nil
}

// deeds remembers what was done from the page, so that the page can say so: the address has only a number
// that nobody can guess. It is safe for concurrent use.
type deeds struct {
	mu   sync.Mutex
	list []deed // the oldest first
}

type deed struct {
	id   string
	once string // of the form that it was asked for with
	at   time.Time
	*effect
}

// Bounds on deeds.
const (
	deedsKept = 50
	deedsLast = 10 * time.Minute
)

func (d *deeds) add(once string, e *effect) (id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == deedsKept {
		d.list = slices.Delete(d.list, 0, 1)
	}
	id = rand.Text()
	d.list = append(d.list, deed{id, once, time.Now(), e})
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

// twiceWithin is how soon a form that comes again, as by a double click, is the same wish. Later it is an old form, of
// which what it has shown says whether it may be done.
const twiceWithin = time.Minute

// again is the id of what was done with a form just now; empty: it was not.
func (d *deeds) again(once string, now time.Time) (id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.list {
		if once != "" && one.once == once && now.Sub(one.at) < twiceWithin {
			return one.id
		}
	}
	return ""
}
