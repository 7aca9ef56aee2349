package publish

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gslb/replication"
)

// fakeCopies is what a test says of copies, as a replication.Book has it.
type fakeCopies struct {
	changed chan struct{}
	view    *replication.View
	changes []replication.Change
}

func (f *fakeCopies) Changed() <-chan struct{} { return f.changed }

func (f *fakeCopies) Take() (*replication.View, []replication.Change) {
	changes := f.changes
	f.changes = nil
	return f.view, changes
}

// A copy that is behind is told of, and takes its pool down where the configuration says so.
func TestPublisherFollowsCopies(t *testing.T) {
	perform(t, func(th *theatre) {
		text := strings.Replace(twoPools, "[pools.nyc]", `[replication.orders]
table   = "Orders"
key     = { id = "gslb" }
regions = ["us-east-1", "eu-west-1"]

[pools.nyc]
region      = "us-east-1"
replication = "orders"
on_degraded = "down"
`, 1)
		text = strings.Replace(text, `failback_after = "1m"`, "", 1)
		if err := th.Use(context.Background(), parse(t, text)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		th.forget()
		nyc := replication.Region{Group: "orders", Region: "us-east-1"}
		was := replication.State{}
		for _, step := range []struct {
			condition replication.Condition
			address   string
			heard     []string
		}{
			{replication.Behind, "198.51.100.10", []string{"copy orders@us-east-1 unknown→behind", "pool nyc up→down", "answer nyc→ams app.gslb.example.com."}},
			{replication.Ambiguous, "198.51.100.10", []string{"copy orders@us-east-1 behind→ambiguous"}},
			{replication.Current, "203.0.113.10", []string{"copy orders@us-east-1 ambiguous→current", "pool nyc down→up", "answer ams→nyc app.gslb.example.com."}},
			{replication.Unread, "203.0.113.10", []string{"copy orders@us-east-1 current→unread"}},
		} {
			is := was.Next(step.condition, "", time.Now())
			th.copies.view = replication.NewView(map[replication.Region]replication.State{nyc: is})
			th.copies.changes = []replication.Change{{Region: nyc, From: was, To: is, At: time.Now()}}
			th.copies.changed <- struct{}{}
			th.expect(t, step.address, step.heard...)
			was = is
		}
	})
}
