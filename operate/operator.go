// Package operate carries out what people and programs ask of a running server. A command becomes an
// override that is kept and then served, and only after it is known what it changes:
//
//	request ─► override.Override ─► steer.Outcome.Suppose ─► refused, or shown
//	                  └─► kept (override.Book) ─► served (publish.Publisher) ─► what is answered now
//
// One command is carried out at a time, so that two that are sound by themselves cannot together leave a
// name with nothing.
package operate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gslb/admin/api"
	"gslb/answer"
	"gslb/journal"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// Book keeps what people say: an [override.Book].
type Book interface {
	Words() *override.Words
	Put(ctx context.Context, o override.Override) error
	Advance(ctx context.Context, was, o *override.Override) error
	Remove(ctx context.Context, ids []string, by, why string) ([]override.Override, error)
	Kept() bool
	SetAside() []string
}

// Publisher decides and serves: a [publish.Publisher].
type Publisher interface {
	Table() *answer.Table
	Outcome() *steer.Outcome
	Settle(ctx context.Context) error
	// Failback returns what is answered otherwise, when it is served.
	Failback(ctx context.Context, names ...string) ([]*publish.AnswerChange, error)
}

// Options is what an Operator needs.
type Options struct {
	Book      Book
	Publisher Publisher
	Marks     Marks                  // of moves between regions whose data is replicated
	Hooks     Hooks                  // around them
	Now       func() time.Time       // the wall clock; nil: time.Now
	Tell      func(...journal.Event) // takes what becomes of planned moves
	Logger    *slog.Logger
}

// Operator carries out commands. It is safe for concurrent use.
type Operator struct {
	book      Book
	publisher Publisher
	now       func() time.Time
	tell      func(...journal.Event)
	logger    *slog.Logger
	turn      chan struct{} // capacity 1: has a token while a command is carried out
	moves     chan struct{} // capacity 1: a planned move was begun
	marks     Marks
	hooks     Hooks
	fences    *fences
}

// settleWait is how long a command waits to be served. It is kept by then.
const settleWait = time.Second

// Bounds of an answer.
const (
	mostNames     = 20
	mostAddresses = 50
	mostListed    = 50 // overrides, changes, answers
	mostMeant     = 5  // names that are offered instead of one that there is not
)

// New makes an operator.
func New(o Options) *Operator {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Operator{
		book: o.Book, publisher: o.Publisher, now: func() time.Time { return o.Now().Round(0) }, tell: o.Tell, logger: o.Logger,
		turn: make(chan struct{}, 1), moves: make(chan struct{}, 1), marks: o.Marks, hooks: o.Hooks, fences: newFences(),
	}
}

// begin waits until no other command is carried out, and returns what is served then. The caller calls
// end when it is done.
func (op *Operator) begin(ctx context.Context) (before *scene, end func(), err error) {
	select {
	case op.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, api.NewProblem(api.Unavailable, "another command is being carried out; try again")
	}
	end = func() { <-op.turn }
	if before, err = op.scene(); err != nil {
		end()
		return nil, nil, err
	}
	return before, end, nil
}

// scene is what is served at one time.
type scene struct {
	set     *zones.Set
	table   *answer.Table
	outcome *steer.Outcome
}

// scene is what is served now.
func (op *Operator) scene() (*scene, error) {
	// A reload replaces one and then the other.
	for range 3 {
		s := &scene{table: op.publisher.Table(), outcome: op.publisher.Outcome()}
		if s.table == nil || s.outcome == nil {
			break
		}
		if s.set = s.table.Set(); s.outcome.Set() == s.set {
			return s, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, notYet()
}

func notYet() error {
	return api.NewProblem(api.Unavailable, "nothing is served yet: gslb is starting; try again in a moment")
}

// Overrides is what is in force.
func (op *Operator) Overrides() *api.OverrideList {
	words := op.book.Words().All()
	list := &api.OverrideList{
		Overrides: make([]api.Override, 0, len(words)), Total: len(words),
		SetAside: strings.Join(op.book.SetAside(), ", "), Kept: op.book.Kept(),
	}
	s, _ := op.scene()
	for i := range words {
		list.Overrides = append(list.Overrides, op.show(s, &words[i]))
	}
	return list
}

// show is an override as the API has it, with how far a planned move is. The scene may be nil.
func (op *Operator) show(s *scene, o *override.Override) api.Override {
	all := shown(o)
	all.Unmatched = s != nil && !s.matches(o)
	if o.Switch != nil {
		all.Switch = op.showSwitch(s, o)
	}
	return all
}

// shown is an override as the API has it, without what depends on what is served.
func shown(o *override.Override) api.Override {
	return api.Override{
		ID: o.ID(), Kind: o.Kind, Name: o.Name, Pool: o.Pool, Member: o.Member, Status: o.Status, Force: o.Anyway,
		Reason: o.Reason, By: o.By, Since: o.Since, Until: o.Until,
	}
}

// Preview tells what Put would change.
func (op *Operator) Preview(_ context.Context, by string, r *api.OverrideRequest) (*api.OverrideResult, error) {
	before, err := op.scene()
	if err != nil {
		return nil, err
	}
	p, err := op.propose(before, by, r)
	if err != nil {
		return nil, err
	}
	return p.preview(op), nil
}

// Put keeps an override, and returns when what it changes is answered.
func (op *Operator) Put(ctx context.Context, by string, r *api.OverrideRequest) (*api.OverrideResult, error) {
	if r.Preview {
		return op.Preview(ctx, by, r)
	}
	before, end, err := op.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	p, err := op.propose(before, by, r)
	if err != nil {
		return nil, err
	}
	if moving := op.book.Words().Pin(p.override().Name); moving != nil && p.override().Kind == override.Pin && moving.IsUnderWay() {
		return nil, underWay(moving)
	}
	if o := p.override(); o.Kind == override.Drain && !o.Anyway && len(p.left) > 0 {
		return nil, p.refusal()
	}
	if err := op.book.Put(ctx, *p.override()); err != nil {
		return nil, notKept(err)
	}
	return op.served(ctx, p)
}

// Remove ends an override, or as a preview tells what that would change.
func (op *Operator) Remove(ctx context.Context, by, id string, r *api.RemoveRequest) (*api.OverrideResult, error) {
	id = canonical(id)
	return op.remove(ctx, by, r, func(o *override.Override) bool { return o.ID() == id }, func(words *override.Words) error {
		return api.NewProblem(api.NotFound, "there is no override %s%s", zones.Plain(id), instead(id, words))
	})
}

// Clear does the same to all.
func (op *Operator) Clear(ctx context.Context, by string, r *api.RemoveRequest) (*api.OverrideResult, error) {
	return op.remove(ctx, by, r, func(*override.Override) bool { return true }, func(*override.Words) error { return nil })
}

// remove ends those overrides that are meant. none is the error if there are none.
func (op *Operator) remove(ctx context.Context, by string, r *api.RemoveRequest, meant func(*override.Override) bool, none func(*override.Words) error) (*api.OverrideResult, error) {
	if r.Reason != "" {
		if err := override.CheckReason(r.Reason); err != nil {
			return nil, api.NewProblem(api.BadRequest, "%v", err)
		}
	}
	before, end, err := op.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	words := op.book.Words()
	p := &proposal{before: before}
	var ids []string
	var rest []override.Override
	for _, o := range words.All() {
		if meant(&o) {
			p.list, ids = append(p.list, o), append(ids, o.ID())
		} else {
			rest = append(rest, o)
		}
	}
	if len(ids) == 0 {
		if err := none(words); err != nil {
			return nil, err
		}
	}
	p.suppose(override.NewWords(rest))
	if r.Preview {
		return p.preview(op), nil
	}
	for i := range p.list {
		if p.list[i].IsUnderWay() {
			return nil, underWay(&p.list[i])
		}
	}
	reason := r.Reason
	if reason == "" {
		reason = "taken back"
	}
	if p.list, err = op.book.Remove(ctx, ids, by, reason); err != nil {
		return nil, notKept(err)
	}
	return op.served(ctx, p)
}

// underWay is the problem of a word that would leave a fenced move half done.
func underWay(o *override.Override) error {
	name := zones.Plain(o.Name)
	return api.NewProblem(api.Conflict, "%s is being moved to %s, and writing may have been ended: gslb switch %s --abort has it begin again, and ends the move", name, o.Pool, name)
}

// served waits until a proposal that is kept is served, and tells what is answered.
func (op *Operator) served(ctx context.Context, p *proposal) (*api.OverrideResult, error) {
	result := p.result(op)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	if err := op.publisher.Settle(bounded); err != nil {
		result.Notes = append(result.Notes, "it is kept, and not answered yet: the server is busy, look at gslb overrides and the log")
		return result, nil
	}
	if after, err := op.scene(); err == nil {
		result.Answers = p.answers(after)
	}
	return result, nil
}

// notKept is the problem of an override that the book did not take.
func notKept(err error) error {
	switch {
	case errors.Is(err, override.ErrDisk):
		return api.NewProblem(api.NotKept, "%v; nothing was changed", err)
	case errors.Is(err, override.ErrAway):
		return api.NewProblem(api.Unavailable, "%v; nothing was changed", err)
	case errors.Is(err, override.ErrFull):
		return api.NewProblem(api.Conflict, "%v", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return api.NewProblem(api.Unavailable, "it was given up before it was done; nothing was changed")
	}
	return fmt.Errorf("keep an override: %w", err)
}

// canonical is an override's ID as the book has it: names in lower case with a final dot, addresses in
// their usual form.
func canonical(id string) string {
	kind, subject, _ := strings.Cut(id, "/")
	if kind == string(override.Pin) {
		return kind + "/" + zones.Qualified(subject)
	}
	if pool, member, is := strings.Cut(subject, "/"); is {
		if addr, err := netip.ParseAddr(member); err == nil {
			return kind + "/" + pool + "/" + addr.Unmap().String()
		}
	}
	return id
}

// instead names what a person may have meant by an override's ID that there is not.
func instead(id string, words *override.Words) string {
	var list []string
	for _, o := range words.All() {
		if other := o.ID(); strings.HasPrefix(other, id+"/") || strings.HasPrefix(id, other+"/") {
			list = append(list, zones.Plain(other))
		}
	}
	if len(list) == 0 {
		return "; gslb overrides lists those that there are"
	}
	return "; there is " + strings.Join(list[:min(len(list), mostNames)], ", ")
}

// first is at most n of a list, never nil.
func first[T any](n int, list []T) []T {
	return append([]T{}, list[:min(n, len(list))]...)
}

// names is the first names of a list, as text.
func names(list []*zones.Name) []string {
	texts := make([]string, 0, min(mostNames, len(list)))
	for _, n := range list[:min(mostNames, len(list))] {
		texts = append(texts, n.Name)
	}
	return texts
}

// byName orders names.
func byName(list []*zones.Name) []*zones.Name {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b *zones.Name) int { return strings.Compare(a.Name, b.Name) })
	return slices.Compact(list)
}
