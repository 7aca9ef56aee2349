package operate

import (
	"context"
	"log/slog"
	"sync"

	"gslb/admin/api"
	"gslb/notify"
)

// Notifications is the admin.Notifier. It is safe for concurrent use.
type Notifications struct {
	notifier *notify.Notifier
	logger   *slog.Logger
	testing  sync.Mutex // one test at a time
}

// NewNotifications makes one that has what a notifier knows, and that logs who sends a test.
func NewNotifications(n *notify.Notifier, logger *slog.Logger) *Notifications {
	return &Notifications{notifier: n, logger: logger}
}

// Targets implements admin.Notifier.
func (n *Notifications) Targets() *api.NotifyList {
	list := &api.NotifyList{Targets: []api.NotifyTarget{}}
	for _, r := range n.notifier.Reports() {
		list.Targets = append(list.Targets, api.NotifyTarget{
			Name: r.Name, Kind: r.Kind, Failing: r.Failing, Tries: r.Tries, Why: r.Why, Waiting: r.Waiting, Sent: r.Sent, Failed: r.Failed, Dropped: r.Dropped, LastSent: r.Last,
		})
	}
	return list
}

// Test implements admin.Notifier.
func (n *Notifications) Test(ctx context.Context, by string, r *api.NotifyTestRequest) (*api.NotifyTestResult, error) {
	if !n.testing.TryLock() {
		return nil, api.NewProblem(api.Conflict, "another test is under way: wait for its end")
	}
	defer n.testing.Unlock()
	result, err := NotifyTestResult(r.Target, n.notifier.Test(ctx, r.Target))
	if err != nil {
		return nil, err
	}
	n.logger.Info("a test was sent to those who are told of incidents", "by", by, "targets", len(result.Targets))
	return result, nil
}

// NotifyTestResult is what became of a test that was sent to a target, or to all if it is empty. An error is that
// there is no such target.
func NotifyTestResult(target string, tried []notify.Tried) (*api.NotifyTestResult, error) {
	switch {
	case len(tried) > 0:
	case target == "":
		return nil, api.NewProblem(api.NotFound, "there is no target: nobody is told of incidents; add one to [notify.targets] of zones.toml")
	default:
		return nil, api.NewProblem(api.NotFound, "there is no target %q: gslb notify list shows those there are", target)
	}
	result := &api.NotifyTestResult{Targets: []api.NotifyTried{}}
	for _, t := range tried {
		made := api.NotifyTried{Name: t.Name, Kind: t.Kind, Sent: t.Err == nil}
		if t.Err != nil {
			made.Error = t.Err.Error()
		}
		result.Targets = append(result.Targets, made)
	}
	return result, nil
}
