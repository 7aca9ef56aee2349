package steer

import (
	"fmt"
	"strings"
)

// Parts is, for each of the shares, the part of the clients that gets it, from 0 to 1. Where one
// answer has the addresses of all shares, that is 1 of each.
func (d *Decision) Parts() []float64 {
	parts := make([]float64, len(d.Shares))
	sum := 0
	for i := range d.Shares {
		sum += d.Shares[i].Weight
	}
	for i := range d.Shares {
		switch {
		case len(d.Shares) == 1 || d.Joined():
			parts[i] = 1
		case sum == 0:
			parts[i] = 1 / float64(len(parts))
		default:
			parts[i] = float64(d.Shares[i].Weight) / float64(sum)
		}
	}
	return parts
}

// Described is PoolName with the part of the clients that each pool gets, where that is not the same
// for all: "nyc 75 % + sfo 25 %".
func (d *Decision) Described() string {
	parts := d.Parts()
	equal := true
	for _, part := range parts {
		equal = equal && part == parts[0]
	}
	if equal {
		return d.PoolName()
	}
	words := make([]string, len(parts))
	for i, part := range parts {
		words[i] = d.Shares[i].Pool.Name + " " + Percent(part)
	}
	return strings.Join(words, " + ")
}

// Percent is a part of clients in words. Only all of them are 100 %, and only none 0 %.
func Percent(part float64) string {
	switch {
	case part > 0 && part < 0.01:
		return "<1 %"
	case part < 1 && part > 0.99:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}

// Tier is the place in Route.Tiers of the pools that are answered; of the first of them, if several
// tiers are. It is -1 if none is: what is answered is a fallback or no pool at all.
func (d *Decision) Tier() int {
	for i := range d.Reasons {
		if d.Reasons[i].Chosen {
			return d.Reasons[i].Tier
		}
	}
	return none
}

// IsEmergency reports whether no pool is left that is known to be up, so that the answer is what the
// operator wanted for that case, or a guess.
func (m Mode) IsEmergency() bool {
	switch m {
	case Untested, AssumeUp, LastGood, Fallback, All, NoData, ServFail:
		return true
	}
	return false
}
