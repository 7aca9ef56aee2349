package steer

import (
	"fmt"

	"gslb/health"
	"gslb/zones"
)

// Assess says what a pool's targets make of it.
//
//	its own checks │ members up      │ members up or unknown │ the pool is
//	───────────────┼─────────────────┼───────────────────────┼────────────
//	one is down    │ any             │ any                   │ down
//	none is down   │ any             │ fewer than min_up     │ down
//	all up         │ at least min_up │ any                   │ up
//	anything else  │                 │                       │ unknown
//
// A member is down when one of its checks is, up when all are, and unknown otherwise. A
// member or pool without checks has nothing that could speak against it: it is up.
// Since and Recovered, which need a memory, are left to Step.
func Assess(pool *zones.Pool, snap *health.Snapshot) PoolState {
	own := judge(pool.Targets, snap)
	state := PoolState{Pool: pool, Turning: own.turning, Members: make([]MemberState, len(pool.Members))}
	var up, maybe int
	first := own // the first thing that speaks against the pool
	for i, member := range pool.Members {
		j := judge(member.Targets, snap)
		state.Members[i] = MemberState{Address: member.Address, Status: j.status}
		state.Turning = state.Turning || j.turning
		switch j.status {
		case health.Up:
			up++
			maybe++
		case health.Unknown:
			maybe++
		}
		if first.status == health.Up {
			first = j
		}
	}
	switch {
	case own.status == health.Down, maybe < pool.MinUp:
		state.Status = health.Down
	case own.status == health.Up && up >= pool.MinUp:
		state.Status = health.Up
	}
	state.Why = fmt.Sprintf("%d of %d members up, %d needed", up, len(pool.Members), pool.MinUp)
	if first.status != health.Up {
		state.Why += ": " + first.why(snap)
	}
	return state
}

// judgement is what the checks of one member, or a pool's own, come to together.
type judgement struct {
	status  health.Status
	turning bool            // one of them is changing its mind
	by      health.TargetID // the first target that made status what it is; empty when up
}

func judge(targets []health.TargetID, snap *health.Snapshot) judgement {
	j := judgement{status: health.Up}
	for _, id := range targets {
		state := snap.State(id)
		j.turning = j.turning || state.Turning
		worse := state.Status == health.Down && j.status != health.Down ||
			state.Status == health.Unknown && j.status == health.Up
		if worse {
			j.status, j.by = state.Status, id
		}
	}
	return j
}

func (j judgement) why(snap *health.Snapshot) string {
	cause := snap.State(j.by).Cause
	switch {
	case j.status == health.Unknown && cause.Reason == "":
		return fmt.Sprintf("%s has no verdict yet", j.by)
	case cause.Detail != "":
		return fmt.Sprintf("%s is %s: %s", j.by, j.status, cause.Detail)
	case cause.Reason != "":
		return fmt.Sprintf("%s is %s: %s", j.by, j.status, cause.Reason)
	}
	return fmt.Sprintf("%s is %s", j.by, j.status)
}
