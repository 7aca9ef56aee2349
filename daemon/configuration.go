package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gslb/admin"
	"gslb/admin/api"
	"gslb/alias/follow"
	"gslb/health"
	"gslb/internal/plural"
	"gslb/journal"
	"gslb/operate"
	"gslb/publish"
	"gslb/replication"
	"gslb/zones"
	"gslb/zones/config"
	"gslb/zones/problem"
)

// configuration keeps the configuration that is live, and replaces it. It is safe for
// concurrent use.
type configuration struct {
	monitor   *health.Monitor
	aliases   *follow.Follower
	copies    *replication.Book
	publisher *publish.Publisher
	settings  *settings
	databases *config.Databases
	logger    *slog.Logger
	load      func(string, config.LoadOptions) (*zones.Set, error) // config.Load
	postpone  func(budget uint64) (resume func())                  // postponeCollection

	confirmation confirmation
	notified     func(zones.Notify) error // takes who is told of incidents
	life         context.Context          // of the program: what is applied is not given up with a request

	planRefused func(context.Context, *zones.Set) (*api.Plan, error) // works out what a refused one would change; nil: nobody does

	reloading sync.Mutex // one reload at a time

	mu      sync.Mutex
	current *zones.Set
	tried   string   // the hash of what was last tried to take into use
	files   []string // that it was read from, or should have been
	status  admin.ConfigStatus
	access  *zones.Admin // of current, with its files as they were read last
	unread  string       // what was wrong with these; empty: nothing
	giveUp  func()       // ends working out what a refused one would change
}

func newConfiguration(set *zones.Set, m *health.Monitor, a *follow.Follower, copies *replication.Book, p *publish.Publisher, s *settings, g *config.Databases, l *slog.Logger) *configuration {
	return &configuration{life: context.Background(), current: set, access: &set.Admin, tried: set.Hash, files: set.Files, giveUp: func() {}, monitor: m, aliases: a, copies: copies, publisher: p, settings: s, databases: g, logger: l, load: config.Load, postpone: postponeCollection}
}

// Current is the live configuration or, at the start, the one that is about to be.
func (c *configuration) Current() *zones.Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// Files is the files that are to be watched: those of the last attempt, since a refused configuration may
// name files that the live one does not, and those of the live one that renewAccess reads.
func (c *configuration) Files() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.files
	for _, path := range []string{c.access.Files.Tokens, c.access.Files.Cert, c.access.Files.Key, c.access.Files.ClientCA} {
		if path != "" && !slices.Contains(list, path) {
			list = append(slices.Clip(list), path)
		}
	}
	return list
}

// Admin is who may ask what, and the certificate.
func (c *configuration) Admin() *zones.Admin {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.access
}

// Status is what became of the last attempt to reload.
func (c *configuration) Status() admin.ConfigStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Reload takes the file as it is now into use. If that fails the configuration before it
// stays, and the log, a metric and the page say so.
func (c *configuration) Reload(ctx context.Context) {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.reload(ctx, nil)
}

// ReloadIfChanged is Reload if reading the files gives another result than when they were last
// tried. A refused configuration is not tried again until then, unless the reason was a shortage,
// which has nothing to do with its content.
func (c *configuration) ReloadIfChanged(ctx context.Context) {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.mu.Lock()
	attempted, tried := c.files, c.tried
	c.mu.Unlock()
	var digest string
	behindQueries(func() { digest = c.databases.Digest(attempted) })
	if digest != tried {
		c.reload(ctx, nil)
	} else {
		c.renewAccess()
	}
}

// renewAccess reads the tokens and certificates of the live configuration again while another one is
// refused or waits: what was revoked must not count until that is mended. The caller holds reloading.
func (c *configuration) renewAccess() {
	c.mu.Lock()
	old, said, live := c.access, c.unread, c.status.Err == nil && c.status.Pending == nil
	c.mu.Unlock()
	if live || old.Files == (zones.AdminFiles{}) {
		return
	}
	renewed, err := config.RenewAdmin(old, time.Now())
	fault := ""
	if err != nil {
		fault = err.Error()
	}
	c.mu.Lock()
	c.access, c.unread = renewed, fault
	c.mu.Unlock()
	if fault != "" && fault != said {
		c.logger.Error("tokens or certificates of the admin server cannot be read again: those before go on counting", "problem", fault)
	}
	if !reflect.DeepEqual(old.Tokens, renewed.Tokens) || !old.ClientCAs.Equal(renewed.ClientCAs) ||
		old.Certificate != nil && !slices.EqualFunc(old.Certificate.Certificate, renewed.Certificate.Certificate, bytes.Equal) {
		c.logger.Info("tokens and certificates of the admin server have changed, and count although the configuration is not taken into use", "config", c.Current().Path)
	}
}

// reload takes the file as it is now into use. One that moves too many names is pending then, unless it
// is what a person has applied.
func (c *configuration) reload(ctx context.Context, wanted *applied) {
	old := c.Current()
	var files []string
	var hash string
	defer c.postpone(garbageBudget())()
	path := old.Path // all that is kept of it until the end
	defer whenLate(lookLate, func() {
		c.logger.Error("reloading the configuration takes long, as a file system that does not respond may make it: the one before goes on serving", "config", path)
	})()
	set, err := c.attempt(ctx, old, func(f []string, h string) { files, hash = f, h }, wanted)
	if ctx.Err() != nil {
		return
	}
	// The memory of reading, and of what is not in use after this, is not needed again.
	defer behindQueries(debug.FreeOSMemory)
	if err == nil {
		c.keep(set, wanted) // the publisher's event says that it is live
		return
	}
	defer c.renewAccess()
	if pending := new(pendingError); errors.As(err, &pending) {
		c.wait(files, pending)
		return
	}
	refused := operate.Refused(path, hash, time.Now(), set != nil, err)
	if shortage(err) {
		hash = "" // the content itself may be right, so that it must be tried again
	}
	if c.refuse(files, hash, err, refused, set) {
		c.logRefusal(old, refused.ProblemsTotal, err)
		c.tell(journal.Event{Kind: journal.Reload, Subject: old.Path, To: journal.Refused, Why: firstProblem(err)})
	}
}

// firstProblem is the first of the errors that were joined into one, in one line, and how many more there are.
func firstProblem(err error) string {
	listed := problem.Each(err)
	first, _, _ := strings.Cut(listed[0].Error(), "\n")
	if len(listed) > 1 {
		first += fmt.Sprintf(" (and %d more)", len(listed)-1)
	}
	return first
}

// logRefusal logs what is wrong, for the person who edited the file.
func (c *configuration) logRefusal(old *zones.Set, total int, err error) {
	c.logger.Error("the configuration was not reloaded: the one before it goes on serving", "config", old.Path, "live", old.Hash, "problems", plural.Of(total, "problem", "problems"))
	for _, problem := range problem.Each(err) {
		c.logger.Error("the configuration was not reloaded", "problem", problem)
	}
}

func (c *configuration) keep(set *zones.Set, wanted *applied) {
	c.mu.Lock()
	c.current, c.files, c.tried = set, set.Files, set.Hash
	c.access, c.unread = &set.Admin, ""
	refused := c.status.Err != nil
	c.status.At, c.status.Err, c.status.Refused = time.Now(), nil, nil
	c.giveUp()
	before := c.drop()
	c.mu.Unlock()
	if refused {
		c.tell(journal.Event{Kind: journal.Reload, Subject: set.Path, From: journal.Refused})
	}
	if wanted != nil && wanted.hash == set.Hash {
		c.dropped(before, wanted.by, "applied by "+wanted.by)
	} else {
		c.dropped(before, "", "another configuration was taken into use")
	}
}

// refuse records a failed attempt, and reports whether the reason is another one than the last
// time. The set is what was loaded; nil: nothing could be.
func (c *configuration) refuse(files []string, tried string, err error, refused *api.RefusedConfig, set *zones.Set) (another bool) {
	c.mu.Lock()
	defer func() {
		before := c.drop()
		c.mu.Unlock()
		c.dropped(before, "", "another configuration takes its place, and is refused")
	}()
	was := c.status.Refused
	another = c.status.Err == nil || was == nil || c.status.Err.Error() != err.Error() || was.Hash != refused.Hash
	c.files, c.tried = files, tried
	c.status.At, c.status.Err = time.Now(), err
	c.status.Failures++
	if another {
		c.status.Refused = refused
		c.plan(refused, set)
	}
	return another
}

// planLongest is how long it may take to work out what a refused configuration would change.
const planLongest = 30 * time.Second

// plan has it worked out what a refused configuration would change, and gives up what is under way for another one.
// The reload that mends it does not wait for this. The caller holds mu.
func (c *configuration) plan(refused *api.RefusedConfig, set *zones.Set) {
	c.giveUp()
	c.giveUp = func() {}
	switch {
	case set == nil:
		refused.Unplanned = "it can't be loaded"
		return
	case c.planRefused == nil:
		refused.Unplanned = "this server makes no plans"
		return
	}
	ctx, cancel := context.WithTimeout(c.life, planLongest)
	c.giveUp = cancel
	go func() {
		defer cancel()
		planned := *refused
		switch err := c.planInto(ctx, &planned, set); {
		case errors.Is(err, context.DeadlineExceeded):
			planned.Unplanned = fmt.Sprintf("comparing it took longer than %s: gslb plan %s tries again", planLongest, refused.Path)
		case err != nil:
			planned.Unplanned = "it is not known: " + problem.Message(err.Error())
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.status.Refused == refused {
			c.status.Refused = &planned
		}
	}()
}

// planInto makes the plan. A panic becomes an error: what serves must not end for what does not.
func (c *configuration) planInto(ctx context.Context, refused *api.RefusedConfig, set *zones.Set) (err error) {
	defer func() {
		if value := recover(); value != nil {
			p := crashOf(value)
			c.logger.Error("the plan of a refused configuration failed because of a fault in this program: please report it", "panic", p.value, "stack", p.stack)
			err = errors.New("a fault of this program, which the log has more about")
		}
	}()
	refused.Plan, err = c.planRefused(ctx, set)
	return err
}

// attempt is replace with a recovery: a panic refuses the configuration. What could be loaded is returned with the
// error.
func (c *configuration) attempt(ctx context.Context, old *zones.Set, read func([]string, string), wanted *applied) (set *zones.Set, err error) {
	defer func() {
		if value := recover(); value != nil {
			p := crashOf(value)
			c.logger.Error("reloading the configuration failed because of a fault in this program: please report it", "panic", p.value, "stack", p.stack)
			set, err = nil, fmt.Errorf("a fault of this program, which the log has more about: %v", p.value)
		}
	}()
	return c.replace(ctx, old, read, wanted)
}

// shortage reports whether an error comes from a shortage, such as of file descriptors, so that the
// same content may be accepted later.
func shortage(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EAGAIN,
		syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// replace loads, probes new targets, and then publishes, so that a target without a verdict changes
// no answer.
func (c *configuration) replace(ctx context.Context, old *zones.Set, read func([]string, string), wanted *applied) (*zones.Set, error) {
	var set *zones.Set
	var err error
	behindQueries(func() {
		set, err = c.load(old.Path, config.LoadOptions{
			Now:       time.Now(),
			Read:      read,
			Serials:   func(string) map[string]zones.Serial { return serials(old) },
			Databases: c.databases,
			Serving:   true,
		})
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(operate.NeedsRestart(old, set)...); err != nil {
		return set, err
	}
	c.copies.Add(set.Replications) // before the first heartbeats
	if err = c.probe(ctx, set); err == nil && (wanted == nil || wanted.hash != set.Hash) {
		behindQueries(func() { err = c.confirm(set) })
	}
	if err == nil {
		err = c.settings.use(&set.Server)
	}
	if err == nil {
		err = c.notified(set.Notify)
	}
	if err == nil {
		behindQueries(func() { err = c.publisher.Use(ctx, set) })
	}
	if err != nil {
		c.aliases.Keep(old) // stop probing the new targets
		c.copies.Keep(old.Replications)
		return set, err
	}
	c.aliases.Keep(set)
	c.copies.Keep(set.Replications)
	return set, nil
}

// probe adds a configuration's targets, and those of the addresses of its aliases, to what is probed, and
// waits for their first verdicts.
func (c *configuration) probe(ctx context.Context, set *zones.Set) error {
	addresses, err := c.aliases.Join(set)
	if err != nil {
		return err
	}
	if err := c.monitor.Add(set.Targets, nil); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, verdictsWithin(set))
	defer cancel()
	if hosts := c.aliases.Wait(bounded, set); len(hosts) > 0 {
		c.logger.Warn("reloading without the addresses of some aliases, which were not looked up yet", "aliases", hosts)
	}
	if missing := c.monitor.Wait(bounded, append(ids(set.Targets), addresses...)); len(missing) > 0 {
		c.logger.Warn("reloading without the first verdict of some targets", "targets", len(missing), "first", missing[0])
	}
	return nil
}

func ids(targets []health.Target) []health.TargetID {
	list := make([]health.TargetID, len(targets))
	for i := range targets {
		list[i] = targets[i].ID
	}
	return list
}

func serials(set *zones.Set) map[string]zones.Serial {
	m := make(map[string]zones.Serial, len(set.Zones))
	for _, z := range set.Zones {
		m[z.Name] = zones.Serial{Hash: z.Hash, Serial: z.Serial}
	}
	return m
}
