//go:build integration

package replicating

import (
	"context"
	"fmt"
	"testing"

	"gslb/integration/parts"
)

// TestRefusals has the database of the region that serves refuse single calls, or all. None of it moves a client:
// that a copy is not known says nothing of the app, and of the data nothing worse than before.
func TestRefusals(t *testing.T) {
	ctx, w := begin(t, settings{Pools: []string{"nyc", "ams", "sin"}})
	clients := w.watch(t)
	w.awaitCopies(t, ctx, "at first", nil)
	denied := parts.Refusal{Code: "AccessDeniedException", Message: "denied"}
	for _, step := range []struct {
		name    string
		refusal *parts.Refusal
		sites   []string // whose gate refuses
		regions map[string]string
		ways    []string
		reason  string // of the heartbeat of nyc
	}{
		{"reads", parts.Broken.Of("BatchGet"), []string{"nyc"},
			map[string]string{"nyc": "unread, degraded, read fail"}, []string{"ams → nyc unmeasured", "sin → nyc unmeasured"}, "status"},
		{"writes", parts.Broken.Of("Put"), []string{"nyc"},
			map[string]string{"nyc": "current, write fail"}, nil, "status"},
		{"throttled", &parts.Throttled, []string{"nyc"},
			map[string]string{"nyc": "unread, degraded, write and read fail"}, []string{"ams → nyc unmeasured", "sin → nyc unmeasured"}, "throttled"},
		{"everything, everywhere", &denied, []string{"nyc", "ams", "sin"},
			map[string]string{"nyc": "current, write and read fail", "ams": "current, write and read fail", "sin": "current, write and read fail"},
			[]string{"ams → nyc unmeasured", "ams → sin unmeasured", "nyc → ams unmeasured", "nyc → sin unmeasured", "sin → ams unmeasured", "sin → nyc unmeasured"}, "access_denied"},
	} {
		for _, pool := range step.sites {
			w.site(pool).Gate.Refuse(step.refusal)
		}
		w.awaitCopies(t, ctx, "when it refuses "+step.name, step.regions, step.ways...)
		w.awaitReason(t, ctx, "heartbeat.orders@us-east-1", step.reason)
		clients.stay(t, "nyc", "refused: "+step.name)
		for _, pool := range step.sites {
			w.site(pool).Gate.Refuse(nil)
		}
		w.awaitCopies(t, ctx, "after it refused "+step.name, nil)
	}
	clients.check(t, "nyc")
}

// awaitReason waits until the last probe of a target has ended with a reason.
func (w *world) awaitReason(t *testing.T, ctx context.Context, id, reason string) {
	t.Helper()
	must(t, parts.Until(ctx, "the probe of "+id+" ends with "+reason, func(ctx context.Context) error {
		var list struct {
			Targets []struct {
				ID   string
				Last struct{ Reason, Detail string }
			}
		}
		if err := w.Status(ctx, &list); err != nil {
			return err
		}
		for _, target := range list.Targets {
			if target.ID == id && target.Last.Reason == reason {
				return nil
			}
		}
		return fmt.Errorf("targets: %+v", list.Targets)
	}))
}
