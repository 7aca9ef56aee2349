package geo

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		name       string
		p, q       Point
		kilometres float64
		within     float64
	}{
		{"the same", Point{52, 13}, Point{52, 13}, 0, 0},
		{"New York to London", Point{40.6413, -73.7781}, Point{51.4700, -0.4543}, 5540, 5},
		{"Sydney to Santiago", Point{-33.9399, 151.1753}, Point{-33.3898, -70.7944}, 11342, 10},
		{"across the antimeridian", Point{0, 179.5}, Point{0, -179.5}, 111.2, 0.1},
		{"the antimeridian itself", Point{-17, 180}, Point{-17, -180}, 0, 0},
		{"over the pole", Point{89, 0}, Point{89, 180}, 222.4, 0.1},
		{"all longitudes of a pole", Point{90, 0}, Point{90, 123}, 0, 0},
		{"pole to pole", Point{90, 10}, Point{-90, -50}, 20015, 1},
		{"antipodes", Point{12, 34}, Point{-12, -146}, 20015, 1},
	} {
		for _, d := range []int{c.p.Distance(c.q), c.q.Distance(c.p)} {
			if math.Abs(float64(d)/1000-c.kilometres) > c.within {
				t.Errorf("%s: %d m; want %v km", c.name, d, c.kilometres)
			}
		}
	}
}

// Distance, by vectors instead of the haversine.
func TestDistanceByVectors(t *testing.T) {
	vector := func(p Point) [3]float64 {
		lat, lon := p.Latitude*degree, p.Longitude*degree
		return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
	}
	point := rapid.Custom(func(t *rapid.T) Point {
		return Point{rapid.Float64Range(-90, 90).Draw(t, "latitude"), rapid.Float64Range(-180, 180).Draw(t, "longitude")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := point.Draw(t, "p"), point.Draw(t, "q")
		a, b := vector(p), vector(q)
		chord := math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
		want := 2 * earthRadius * math.Asin(min(chord/2, 1))
		// The chord says little near the antipode.
		if got := float64(p.Distance(q)); math.Abs(got-want) > 1+want*1e-6 {
			t.Errorf("%v m; want %v", got, want)
		}
	})
}

func TestRank(t *testing.T) {
	london, york, sydney, fiji, samoa := Point{51.5, -0.1}, Point{40.7, -74}, Point{-33.9, 151.2}, Point{-18, 178}, Point{-13.8, -171.8}
	for _, c := range []struct {
		name   string
		from   Point
		points []Point
		want   []int
	}{
		{"Paris", Point{48.9, 2.4}, []Point{york, sydney, london}, []int{2, 0, 1}},
		{"east of the antimeridian", Point{-17, -179}, []Point{sydney, samoa, fiji}, []int{2, 1, 0}},
		{"west of the antimeridian", Point{-17, 179}, []Point{samoa, fiji, sydney}, []int{1, 0, 2}},
		{"the pole", Point{90, 77}, []Point{sydney, york, london}, []int{2, 1, 0}},
		{"over the pole", Point{80, 0}, []Point{{0, 0}, {80, 180}}, []int{1, 0}},
		{"equally far, as configured", Point{0, 0}, []Point{{10, 0}, {0, 10}, {0, -10}, {-10, 0}}, []int{0, 1, 2, 3}},
		{"equally far across the antimeridian", Point{0, 180}, []Point{{0, -170}, {0, 170}, {10, 180}, {-10, -180}}, []int{0, 1, 2, 3}},
		{"equally far from the pole", Point{-90, 0}, []Point{{-80, 0}, {-80, 90}, {-80, -133.7}, {-80, 180}}, []int{0, 1, 2, 3}},
		{"the same place twice", Point{1, 1}, []Point{london, sydney, london}, []int{0, 2, 1}},
		{"none", Point{1, 1}, nil, []int{}},
	} {
		if got := c.from.rank(c.points); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v; want %v", c.name, got, c.want)
		}
	}
}

func TestCheckPoint(t *testing.T) {
	for _, p := range []Point{{0, 0}, {90, 180}, {-90, -180}} {
		if err := p.Check(); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	for _, p := range []Point{
		{90.1, 0}, {-90.1, 0}, {0, 180.1}, {0, -180.1}, {math.NaN(), 0}, {0, math.NaN()}, {math.Inf(1), 0}, {0, math.Inf(-1)},
	} {
		if p.Check() == nil {
			t.Errorf("%v: want an error", p)
		}
	}
}
