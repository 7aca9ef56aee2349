package answer

import (
	"time"

	"gslb/health"
	"gslb/steer"
	"gslb/zones"
)

// Event is a change that is served already. Exactly one of the pointers is set.
type Event struct {
	At     time.Time
	Target *health.Transition // a target changed its status
	Pool   *PoolChange        // a pool changed its status
	Answer *AnswerChange      // a steering's answer changed
	Config *zones.Set         // a configuration was taken into use
}

// PoolChange is a change of a pool's status.
type PoolChange struct {
	From health.Status
	To   steer.PoolState
}

// AnswerChange is a change of what a steering answers.
type AnswerChange struct {
	From, To steer.Decision
	Names    []*zones.Name // that are steered so
}
