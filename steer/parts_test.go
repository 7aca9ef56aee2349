package steer

import (
	"slices"
	"testing"

	"gslb/zones"
)

func TestParts(t *testing.T) {
	tests := []struct {
		name      string
		policy    zones.Policy
		mode      Mode
		weights   []int
		want      []float64
		described string
	}{
		{"no pool", zones.Failover, ServFail, nil, []float64{}, ""},
		{"one pool", zones.Failover, Normal, []int{7}, []float64{1}, "a"},
		{"one pool without a weight", zones.Weighted, Normal, []int{0}, []float64{1}, "a"},
		{"by weight", zones.Weighted, Normal, []int{3, 1}, []float64{0.75, 0.25}, "a 75 % + b 25 %"},
		{"equal weights", zones.Sticky, Normal, []int{2, 2}, []float64{0.5, 0.5}, "a+b"},
		{"no weights", zones.Weighted, Normal, []int{0, 0}, []float64{0.5, 0.5}, "a+b"},
		{"one of them without", zones.Weighted, AssumeUp, []int{1, 0}, []float64{1, 0}, "a 100 % + b 0 %"},
		{"hardly any", zones.Weighted, Normal, []int{999, 1}, []float64{0.999, 0.001}, "a >99 % + b <1 %"},
		{"all to everybody", zones.All, Normal, []int{3, 1}, []float64{1, 1}, "a+b"},
		{"all to everybody, since none is left", zones.Weighted, All, []int{3, 1}, []float64{1, 1}, "a+b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Decision{Route: &zones.Route{Steering: &zones.Steering{Policy: tt.policy}}, Mode: tt.mode}
			for i, weight := range tt.weights {
				d.Shares = append(d.Shares, Share{Pool: &zones.Pool{Name: string(rune('a' + i))}, Weight: weight})
			}
			if got := d.Parts(); !slices.Equal(got, tt.want) {
				t.Errorf("parts %v, want %v", got, tt.want)
			}
			if got := d.Described(); got != tt.described {
				t.Errorf("described as %q, want %q", got, tt.described)
			}
		})
	}
}
