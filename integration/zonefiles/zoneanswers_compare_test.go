//go:build integration

package zonefiles

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// comparison is what came of the questions about some zones.
type comparison struct {
	questions  int
	differ     int // NSD and Knot gave different answers
	deviations []deviation
}

// deviation is a reply of gslb that is not that of both others.
type deviation struct {
	origin   string
	question question
	parts    []string // of the reply that differ
	replies  [3]reply
}

func (c *comparison) add(other comparison) {
	c.questions += other.questions
	c.differ += other.differ
	c.deviations = append(c.deviations, other.deviations...)
}

// askAbout asks all questions about some zones.
func (c *comparison) askAbout(ctx context.Context, panel panel, zones []answerZone) error {
	asker, err := newAsker(ctx, panel)
	if err != nil {
		return err
	}
	defer asker.close()
	for i := range zones {
		z := &zones[i]
		if err := asker.served(ctx, z.origin); err != nil {
			return err
		}
		if err := c.ask(ctx, asker, z.origin, z.questions()); err != nil {
			return fmt.Errorf("zone %s: %w", z.origin, err)
		}
	}
	return nil
}

// ask asks questions about one zone. What does not fit into a datagram is asked for over TCP.
func (c *comparison) ask(ctx context.Context, asker *asker, origin string, questions []question) error {
	replies, err := asker.ask(ctx, questions)
	if err != nil {
		return err
	}
	var again []question
	for i, q := range questions {
		nsd, knot, gslb := replies[i][0], replies[i][1], replies[i][2]
		differing, agreed := deviates(nsd, knot, gslb)
		if !q.tcp && (nsd.truncated || knot.truncated || gslb.truncated) {
			differing = nil
			if agreed && !nsd.truncated && !knot.truncated {
				differing = []string{"truncation"}
			}
			again = append(again, q.overTCP())
		}
		c.questions++
		if !agreed {
			c.differ++
		}
		if len(differing) > 0 {
			c.deviations = append(c.deviations, deviation{origin, q, differing, replies[i]})
		}
	}
	if len(again) == 0 {
		return nil
	}
	return c.ask(ctx, asker, origin, again)
}

// report fails the test where there are deviations, and shows some of them.
func (c *comparison) report(t *testing.T, zones []answerZone) {
	t.Helper()
	const (
		shownZones = 20
		shownEach  = 3
	)
	t.Logf("%d questions about %d zones; NSD and Knot differ in %d answers", c.questions, len(zones), c.differ)
	if c.questions < 30*len(zones) || c.differ > c.questions/20 {
		t.Error("these are too few questions, or too few answers in which NSD and Knot agree, to say much")
	}
	byZone := map[string][]deviation{}
	for _, d := range c.deviations {
		byZone[d.origin] = append(byZone[d.origin], d)
	}
	shown := 0
	for _, z := range zones {
		deviations := byZone[z.origin]
		if len(deviations) == 0 || shown == shownZones {
			continue
		}
		shown++
		t.Errorf("zone %s (%s): %d deviations\n%.4000s", z.origin, z.name, len(deviations), z.text)
		for _, d := range deviations[:min(shownEach, len(deviations))] {
			t.Errorf("%v", d)
		}
	}
	if len(byZone) > 0 {
		t.Errorf("%d deviations in %d zones, of which %d are shown", len(c.deviations), len(byZone), shown)
	}
}

// String shows the question and all replies to it.
func (d deviation) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "question %v differs in %s\n", d.question, strings.Join(d.parts, ", "))
	for i, name := range [...]string{"NSD", "Knot", "gslb"} {
		fmt.Fprintf(&s, "%s: %v\n", name, d.replies[i])
	}
	return s.String()
}
