package publish

import (
	"testing"

	"gslb/steer"
	"gslb/zones"
)

// Where parts follow what pools say of themselves, small changes are not told, and that they begin or end is.
func TestSmallChangesOfLoadsAreNotTold(t *testing.T) {
	pools := []*zones.Pool{{Name: "a"}, {Name: "b"}}
	decision := func(a, b int, told bool, held ...steer.Hold) *steer.Decision {
		return &steer.Decision{
			Route: &zones.Route{Steering: &zones.Steering{Policy: zones.Weighted}}, Mode: steer.Normal, Held: held,
			Shares: []steer.Share{{Pool: pools[0], Weight: a, Told: told}, {Pool: pools[1], Weight: b}},
		}
	}
	shed := steer.Hold{Rule: steer.Shed, Pool: "a"}
	for name, tt := range map[string]struct {
		from, to *steer.Decision
		want     Difference
	}{
		"by configuration":     {decision(50, 50, false), decision(51, 49, false), OtherWeights},
		"told, by little":      {decision(50, 50, true), decision(55, 45, true), ""},
		"told, by much":        {decision(50, 50, true), decision(65, 35, true), OtherWeights},
		"it is told for once":  {decision(50, 50, false), decision(55, 45, true), OtherWeights},
		"shedding begins":      {decision(50, 50, false), decision(45, 55, false, shed), OtherWeights},
		"a step of it":         {decision(45, 55, false, shed), decision(41, 59, false, shed), ""},
		"a large step":         {decision(45, 55, false, shed), decision(20, 80, false, shed), OtherWeights},
		"it ends":              {decision(45, 55, false, shed), decision(50, 50, false), OtherWeights},
		"nothing changes then": {decision(50, 50, false, shed), decision(50, 50, false), ""},
	} {
		if got := difference(tt.from, tt.to); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
