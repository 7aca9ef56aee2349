package probe

import (
	"context"
	"errors"
	"time"

	"gslb/health"
)

// newPush judges by what was last said of a target.
//
//	somebody said                        verdict
//	that it works, not too long ago      pass, until that is too long ago
//	that it does not work, the same      fail
//	something, too long ago              fail
//	nothing, and there was not the time  indeterminate, until there was
//	nothing, and there was the time      fail
//
// That nobody says anything is blank: this host's network may keep it away.
func newPush(pushes *health.Pushes, t *health.Target, spec *health.Push) (health.Probe, error) {
	if spec.MaxAge <= 0 {
		return nil, errors.New("interval: it is missing")
	}
	begun := time.Now()
	return func(context.Context) health.Result {
		if pushes == nil {
			return indeterminate("off", "only a running server is told; ask it: gslb status, or GET /api/v1/targets")
		}
		now := time.Now()
		said, ok := pushes.Last(t.ID)
		age := now.Sub(said.At)
		result := pass("")
		switch {
		case !ok && now.Sub(begun) < spec.MaxAge:
			result = indeterminate("waiting", "nobody has called yet; there is time until %s after the start", spec.MaxAge)
			result.Notes = &health.Notes{Until: begun.Add(spec.MaxAge)}
			return result
		case !ok:
			return fail("silent", "nobody has called within %s", spec.MaxAge)
		case age >= spec.MaxAge:
			return fail("silent", "the last call came %s ago, and is good for %s", age.Round(time.Millisecond), spec.MaxAge)
		case said.Failed && said.Why != "":
			result = fail("pushed", "it was said to fail: %s", said.Why)
		case said.Failed:
			result = fail("pushed", "it was said to fail")
		default:
			result.Detail = said.Why
		}
		result.Notes = &health.Notes{Until: said.At.Add(spec.MaxAge)}
		if spec.Load.Source != "" {
			result.Notes.Load = said.Load
		}
		return result
	}, nil
}
