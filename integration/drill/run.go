package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// drill makes faults, and measures what comes of them.
type drill struct {
	*stack
	say func(string, ...any)
	// wait is how long the last are waited for at most; 0: as long as their bounds say.
	wait time.Duration
}

const (
	// lookEvery is how often it is looked whether all have moved.
	lookEvery = 200 * time.Millisecond
	// patience is how long somebody is waited for beyond the bound.
	patience = 10 * time.Second
	// stayFor is how long it is watched that nobody moves: in that time every resolver asks several times.
	stayFor = 20 * time.Second
	// homeWait is how long those who keep no connection may take to return.
	homeWait = time.Minute + 30*time.Second
)

// run makes the faults, one after another. With an error the report has those that were measured.
func (d *drill) run(ctx context.Context, faults []faultKind) (*report, error) {
	steered := d.example.Steered[d.name]
	r := &report{
		Began: time.Now(), Host: figures.Host(), Name: d.name, Preferred: d.preferred, Other: d.other, TTL: seconds(steered.TTL), Settings: settings(d.example.Checks),
		Resolvers: make([]program, len(d.resolvers)), clients: d.clients,
	}
	for i, resolver := range d.resolvers {
		r.Resolvers[i] = program{resolver.name, resolver.name, resolver.version}
	}
	for i, c := range d.clients {
		if i%len(d.resolvers) == 0 {
			r.Clients = append(r.Clients, program{c.name, c.what, c.version})
		}
	}
	for _, fault := range faults {
		f, err := d.fault(ctx, fault)
		if f != nil { // it was measured, whatever came of its end
			r.Faults = append(r.Faults, f)
			r.Ended = time.Now()
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", fault.fault, err)
		}
	}
	return r, nil
}

// fault makes one fault, waits until everybody has moved, undoes it, and waits until everybody is back.
func (d *drill) fault(ctx context.Context, kind faultKind) (*faultReport, error) {
	if err := d.settle(ctx); err != nil {
		return nil, err
	}
	d.say("%s: %s", kind.fault, kind.what)
	began := time.Now()
	if err := d.inflict(ctx, kind.fault); err != nil {
		return nil, err
	}
	f := newFaultReport(d.stack, kind, began)
	if kind.stays {
		if err := sleep(ctx, stayFor); err != nil {
			return nil, err
		}
	} else {
		wait := f.longest() + patience
		if d.wait > 0 {
			wait = min(wait, d.wait)
		}
		d.await(ctx, began, d.other, wait, d.everybody())
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !kind.server {
		for i, server := range d.servers {
			at, why, err := detected(ctx, server, kind, began)
			if err != nil {
				return nil, err
			}
			f.Servers[i].detected(at.Sub(began), !at.IsZero())
			if why != "" {
				f.Why = why
			}
		}
	}
	d.read()
	f.measure(d.stack, time.Now())
	d.say("%s: %s", kind.fault, f.sentence())

	healed := time.Now() // for a server; a region is healed once it is healthy again
	if err := d.heal(ctx, kind.fault); err != nil {
		return f, err
	}
	if !kind.server {
		healed = time.Now()
	}
	if late := d.await(ctx, healed, d.preferred, homeWait, d.thoseWithoutConnection()); late != nil {
		return f, fmt.Errorf("the fault is over, and these are not answered by %s: %v", d.preferred, late)
	}
	f.measureReturn(d.stack, healed, time.Now())
	if err := d.copied(ctx); err != nil {
		return f, err
	}
	d.say("%s: healed; %s; all copies of the table are current after %s", kind.fault, f.returned(), seconds(time.Since(healed)))
	return f, nil
}

// settle waits until everybody is answered by the preferred region. Clients of a region that works have no reason
// to leave it while their connection lasts. So the connections to the other region are closed, as a load balancer
// does that is restarted, and those who keep an address for long are started anew.
func (d *drill) settle(ctx context.Context) error {
	const tries = 3 // a busy machine may have the answers change once more
	for try := 1; ; try++ {
		late := d.await(ctx, time.Time{}, d.preferred, homeWait, d.thoseWithoutConnection())
		if late == nil {
			// Those who are there already are left alone.
			if late = d.await(ctx, time.Time{}, d.preferred, steady+time.Second, d.everybody()); late == nil {
				return ctx.Err()
			}
			if err := d.regions[d.other].LoadBalancer.Restart(ctx); err != nil {
				return err
			}
			if err := d.again(ctx, late); err != nil {
				return err
			}
			if late = d.await(ctx, time.Time{}, d.preferred, homeWait, d.everybody()); late == nil {
				return ctx.Err()
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if try == tries {
			return fmt.Errorf("without a fault, these are not answered by %s: %v", d.preferred, late)
		}
	}
}

// again starts those of some clients anew that keep an address for long.
func (d *drill) again(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, clientWait)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for _, c := range d.clients {
		if c.keeps >= time.Minute && slices.Contains(names, c.Name()) {
			group.Go(func() error { return c.again(ctx) })
		}
	}
	return group.Wait()
}

// copied waits until every region's copy of the table is current, so that the next fault finds what this one found.
func (d *drill) copied(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, homeWait)
	defer cancel()
	return parts.Until(ctx, "all copies are current", func(ctx context.Context) error {
		for _, server := range d.servers {
			var list struct {
				Replications []struct {
					Regions []struct {
						Region    string
						Condition string
						Degraded  bool
					}
				}
			}
			if err := server.JSON(ctx, "/api/v1/replication", &list); err != nil {
				return err
			}
			for _, r := range list.Replications {
				for _, region := range r.Regions {
					if region.Condition != "current" || region.Degraded {
						return fmt.Errorf("%s: the copy in %s is %s (degraded: %t)", server.name, region.Region, region.Condition, region.Degraded)
					}
				}
			}
		}
		return nil
	})
}

// observer is one whose move is measured.
type observer struct {
	name  string
	track *track
}

func (d *drill) everybody() []observer { return append(d.answering(), d.asking(true)...) }

func (d *drill) thoseWithoutConnection() []observer { return append(d.answering(), d.asking(false)...) }

// answering are the servers and the resolvers.
func (d *drill) answering() []observer {
	var all []observer
	for _, s := range d.servers {
		all = append(all, observer{s.name, &s.track})
	}
	for i, r := range d.resolvers {
		all = append(all, observer{r.name, d.resolvedBy[i]})
	}
	return all
}

// asking are the clients: all, or only those that make a connection for each request.
func (d *drill) asking(all bool) []observer {
	var some []observer
	for _, c := range d.clients {
		if all || !c.connection {
			some = append(some, observer{c.Name(), &c.track})
		}
	}
	return some
}

// await waits until these have come to a region to stay, at most for a time, and returns the names of those that
// have not.
func (d *drill) await(ctx context.Context, since time.Time, to string, wait time.Duration, who []observer) (late []string) {
	for deadline := time.Now().Add(wait); ; {
		late = nil
		d.read()
		now := time.Now()
		for _, o := range who {
			if !moved(o.track.between(since, now), since, now, to).Made {
				late = append(late, o.name)
			}
		}
		if late == nil || now.After(deadline) || sleep(ctx, lookEvery) != nil {
			return late
		}
	}
}

// read takes over what the clients have written.
func (d *drill) read() {
	for _, c := range d.clients {
		c.read(d.stack)
	}
}

// detected is when a server has seen a fault by one of its targets, or by the region's copy, and why it says so.
// The zero time: it has not.
func detected(ctx context.Context, server *server, kind faultKind, since time.Time) (at time.Time, why string, err error) {
	var list struct {
		Events []struct {
			At       time.Time
			Kind     string
			Subject  string
			To       string
			Why      string
			Degraded bool
			Verdict  *struct{ At time.Time }
		}
	}
	if err := server.JSON(ctx, "/api/v1/events?limit=10000", &list); err != nil {
		return time.Time{}, "", err
	}
	for _, e := range list.Events {
		switch {
		case e.At.Before(since):
		case kind.stays && e.Kind == "copy" && e.Degraded:
			return e.At, fmt.Sprintf("%s is degraded: %s", e.Subject, e.Why), nil
		case e.Kind == "target" && e.To == "down":
			if e.Verdict != nil {
				e.At = e.Verdict.At
			}
			return e.At, fmt.Sprintf("%s is down: %s", e.Subject, e.Why), nil
		}
	}
	return time.Time{}, "", nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
