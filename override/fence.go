package override

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Fence is how far a planned move has come that leaves regions whose data is replicated: the answer moves
// when all that was written there has arrived.
type Fence struct {
	Group      string    `json:"replication"`
	From       []string  `json:"from_regions"` // that are left, sorted
	To         string    `json:"to_region"`
	Lowered    time.Time `json:"lowered"`               // when the old TTL has run out everywhere
	Wait       float64   `json:"wait_seconds"`          // so long it is tried to write the marks and to see them
	AcceptLoss bool      `json:"accept_loss,omitempty"` // what fails does not end the move
	Stage      Stage     `json:"stage"`
	// Marks is, by region of From, the value that was written there last, and is awaited in To.
	Marks map[string]uint64 `json:"marks,omitempty"`
	Steps []Step            `json:"steps"` // one for each stage that was begun, in order
}

// Step is a stage of a move that was begun.
type Step struct {
	Stage  Stage     `json:"stage"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`
	Detail string    `json:"detail,omitempty"` // what became of it, in one line
}

// Stage is what is done for a fenced move. The order is that of a move; what becomes of one that is
// aborted is the last.
type Stage string

const (
	LowersTTL     Stage = "lowering_ttl"     // the TTL is ttl_min, and the old one is waited out
	StopsWrites   Stage = "stopping_writes"  // a hook ends writing in the regions that are left
	WritesMarks   Stage = "marking"          // a mark is written through each of them
	AwaitsMarks   Stage = "awaiting_marks"   // they are looked for in the new region
	AcceptsWrites Stage = "accepting_writes" // the answer has moved; a hook begins writing in the new region
	Moved         Stage = "moved"            // that is done; the pin stays
	ResumesWrites Stage = "resuming_writes"  // it is aborted; a hook begins writing again where it was ended
)

var stages = []Stage{LowersTTL, StopsWrites, WritesMarks, AwaitsMarks, AcceptsWrites, Moved, ResumesWrites}

// HasMoved reports whether the answer has moved.
func (s Stage) HasMoved() bool { return s == AcceptsWrites || s == Moved }

// HasStopped reports whether writing may have been ended, and is not begun again anywhere.
func (s Stage) HasStopped() bool { return s != LowersTTL && s != Moved }

// Enter is the fence in its next stage. detail is what became of the one before.
func (f *Fence) Enter(stage Stage, detail string, now time.Time) *Fence {
	next := *f
	next.Stage, next.Steps = stage, slices.Clone(f.Steps)
	if last := len(next.Steps) - 1; last >= 0 {
		next.Steps[last].Ended, next.Steps[last].Detail = now, detail
	}
	next.Steps = append(next.Steps, Step{Stage: stage, Began: now})
	return &next
}

// Began is when a stage was begun; zero: it was not.
func (f *Fence) Began(stage Stage) time.Time {
	for i := range f.Steps {
		if f.Steps[i].Stage == stage {
			return f.Steps[i].Began
		}
	}
	return time.Time{}
}

func (f *Fence) check() error {
	switch {
	case !slices.Contains(stages, f.Stage):
		return fmt.Errorf("stage: %q is none", f.Stage)
	case len(f.Steps) == 0 || f.Steps[len(f.Steps)-1].Stage != f.Stage:
		return errors.New("steps: the last is not the stage")
	case f.Group == "" || f.To == "" || len(f.From) == 0:
		return errors.New("the replication or a region is missing")
	case f.Wait <= 0 || f.Wait > Longest.Seconds():
		return fmt.Errorf("wait_seconds: %g is not a time to wait", f.Wait)
	}
	return nil
}

// equal compares what differs between two fences of one move.
func (f *Fence) equal(other *Fence) bool {
	if f == nil || other == nil {
		return f == other
	}
	return f.Group == other.Group && f.To == other.To && f.Stage == other.Stage && f.Lowered.Equal(other.Lowered) &&
		slices.Equal(f.From, other.From) && f.Wait == other.Wait && f.AcceptLoss == other.AcceptLoss && len(f.Steps) == len(other.Steps)
}

// ToCome reports whether the answer has yet to move.
func (s *Switch) ToCome(now time.Time) bool {
	return now.Before(s.Move) || s.Fence != nil && !s.Fence.Stage.HasMoved()
}

// IsUnderWay reports whether an override is a fenced move that has ended writing somewhere, and not begun it
// again anywhere: it must not be taken away, but aborted.
func (o *Override) IsUnderWay() bool {
	return o.Switch != nil && o.Switch.Fence != nil && o.Switch.Fence.Stage.HasStopped()
}
