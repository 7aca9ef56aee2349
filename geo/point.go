package geo

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Point is a place on the globe, in degrees.
type Point struct{ Latitude, Longitude float64 }

// Check says what is wrong with a point: it lies nowhere on the globe.
func (p Point) Check() error {
	// The comparisons are such that NaN fails them.
	if !(p.Latitude >= -90 && p.Latitude <= 90) {
		return fmt.Errorf("found latitude %v; expected -90 (the south pole) to 90", p.Latitude)
	}
	if !(p.Longitude >= -180 && p.Longitude <= 180) {
		return fmt.Errorf("found longitude %v; expected -180 (west) to 180 (east)", p.Longitude)
	}
	return nil
}

const (
	earthRadius = 6_371_008.8 // metres: the mean of WGS 84
	degree      = math.Pi / 180
)

// Distance is the length of the great circle between two points, in whole metres. Rounding makes
// distances equal that differ only by what floating point loses, as for two points that lie
// symmetrically to the antimeridian.
func (p Point) Distance(q Point) int {
	// The haversine formula: exact for small distances, and it needs no special case at the
	// antimeridian or at the poles.
	lat := math.Sin((q.Latitude - p.Latitude) * degree / 2)
	lon := math.Sin((q.Longitude - p.Longitude) * degree / 2)
	h := lat*lat + math.Cos(p.Latitude*degree)*math.Cos(q.Latitude*degree)*lon*lon
	h = min(h, 1)
	return int(math.Round(2 * earthRadius * math.Atan2(math.Sqrt(h), math.Sqrt(1-h))))
}

// rank is the order of the points by their distance from p, the nearest first. Those equally far
// keep their order.
func (p Point) rank(points []Point) []int {
	order := make([]int, len(points))
	distances := make([]int, len(points))
	for i, q := range points {
		order[i], distances[i] = i, p.Distance(q)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(distances[a], distances[b]) })
	return order
}
