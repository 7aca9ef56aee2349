package geo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Question is what a Map answers: which of these views match a client, and in which order these
// points are by their distance from it.
type Question struct {
	Views  []View  // in any order
	Points []Point // none: no order is asked for
}

// check says what is wrong with a question.
func (q Question) check() error {
	seen := make(map[View]bool, len(q.Views))
	for _, v := range q.Views {
		switch {
		case v == View{}:
			return errors.New("found a view of no kind")
		case seen[v]:
			return fmt.Errorf("found the view %s twice", v)
		}
		seen[v] = true
	}
	for _, p := range q.Points {
		if err := p.Check(); err != nil {
			return err
		}
	}
	return nil
}

// isOfNetworks reports whether it takes no database to answer a question.
func (q Question) isOfNetworks() bool {
	return len(q.Points) == 0 && !slices.ContainsFunc(q.Views, func(v View) bool { return v.kind != Prefix && v.kind != Default })
}

// key is the same for questions that have the same views and points in the same order.
func (q Question) key() string {
	var b strings.Builder
	for _, v := range q.Views {
		b.WriteString(v.String())
		b.WriteByte('\n')
	}
	b.WriteString(pointsKey(q.Points))
	return b.String()
}

func pointsKey(points []Point) string {
	b := make([]byte, 0, 16*len(points))
	for _, p := range points {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(p.Latitude))
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(p.Longitude))
	}
	return string(b)
}

// asked is several questions that are answered in one go.
type asked struct {
	views     map[View]int // of all questions, numbered from 1
	questions []*answers
	rankings  []*ranking // of all questions, each list of points once
}

// answers are what is found for one question.
type answers struct {
	places  map[int]int // by the number of a view in asked: its place in the question
	lengths []int       // by the place of a view: of its prefix, if it is a network; otherwise 0
	last    int         // the place of default, or notAsked
	ranking int         // the place in asked.rankings, or notAsked
	ipv4    *grower
	ipv6    *grower
	run     run

	classes []Class
	numbers map[string]int // of classes, by what is in them
	key     []byte
}

const notAsked = -1

// run is the last ranges of addresses that were found to be in one class. They are added to the tree
// as one: most ranges differ only in what other questions ask. Number 0: there are none.
type run struct {
	first, last address
	number      int
}

// extend takes in the next range.
func (n *answers) extend(g *grower, first, last address, number int) {
	if number == n.run.number {
		n.run.last = last
		return
	}
	n.endRun(g)
	n.run = run{first, last, number}
}

// endRun adds the run to the tree.
func (n *answers) endRun(g *grower) {
	if n.run.number != 0 {
		g.add(n.run.first, n.run.last, n.run.number)
	}
	n.run = run{}
}

// grower is that of a family.
func (n *answers) grower(ipv4 bool) *grower {
	if ipv4 {
		return n.ipv4
	}
	return n.ipv6
}

// ask checks questions and prepares to answer them.
func ask(questions []Question) (*asked, error) {
	a := &asked{views: make(map[View]int)}
	for _, q := range questions {
		if err := q.check(); err != nil {
			return nil, err
		}
		for _, v := range q.Views {
			if _, ok := a.views[v]; !ok {
				a.views[v] = len(a.views) + 1
			}
		}
	}
	rankings := make(map[string]int)
	for _, q := range questions {
		n := &answers{
			places:  make(map[int]int, len(q.Views)),
			lengths: make([]int, len(q.Views)),
			last:    notAsked,
			ranking: notAsked,
			ipv4:    newGrower(6),
			ipv6:    newGrower(0),
			numbers: make(map[string]int),
		}
		for place, v := range q.Views {
			if v.kind == Default {
				n.last = place
			} else {
				n.places[a.views[v]] = place
			}
			if v.kind == Prefix {
				n.lengths[place] = v.prefix.Bits()
			}
		}
		if len(q.Points) > 0 {
			key := pointsKey(q.Points)
			if _, ok := rankings[key]; !ok {
				rankings[key] = len(a.rankings)
				a.rankings = append(a.rankings, newRanking(q.Points))
			}
			n.ranking = rankings[key]
		}
		a.questions = append(a.questions, n)
	}
	return a, nil
}

// maxClasses is how many classes a map may have: each has a number of 16 bits.
const maxClasses = math.MaxUint16 - firstNumber + 1

// ErrClasses is returned by Load if there would be more.
var ErrClasses = fmt.Errorf("views and locations of pools put clients into more than %d classes; use fewer locations for one name", maxClasses)

// number is that of the class of clients with these views (by their numbers in asked, the
// narrowest first) and this order of the points.
func (n *answers) number(views, order []int) (int, error) {
	var places []int
	for _, v := range views {
		if place, ok := n.places[v]; ok {
			places = append(places, place)
		}
	}
	if n.last != notAsked {
		places = append(places, n.last)
	}
	return n.numberOf(places, order)
}

// numberOf is number for views by their places in the question, default among them.
func (n *answers) numberOf(places, order []int) (int, error) {
	n.key = n.key[:0]
	for _, list := range [][]int{places, order} {
		n.key = binary.AppendUvarint(n.key, uint64(len(list)))
		for _, place := range list {
			n.key = binary.AppendUvarint(n.key, uint64(place))
		}
	}
	number, ok := n.numbers[string(n.key)]
	if !ok {
		if len(n.classes) == maxClasses {
			return 0, ErrClasses
		}
		number = len(n.classes) + firstNumber
		n.numbers[string(n.key)] = number
		n.classes = append(n.classes, Class{Views: places, Order: order})
	}
	return number, nil
}

// finish makes the map, after the last range of addresses.
func (n *answers) finish() (*Map, error) {
	m := &Map{ipv4: n.ipv4.finish(), ipv6: n.ipv6.finish()}
	// Classes that are added have classes of their own to lead to.
	for i := 0; i < len(n.classes); i++ {
		c := n.classes[i]
		if len(c.Views) == 0 || n.lengths[c.Views[0]] == 0 {
			m.wider = append(m.wider, wider{})
			continue
		}
		number, err := n.numberOf(c.Views[1:], c.Order)
		if err != nil {
			return nil, err
		}
		m.wider = append(m.wider, wider{length: uint8(n.lengths[c.Views[0]]), class: uint16(number - firstNumber)})
	}
	m.classes = n.classes
	return m, nil
}

// ranking orders one list of points by their distance from the places in databases, each once.
type ranking struct {
	points []Point
	places map[Point]int // in orders
	keys   map[string]int
	orders [][]int
}

func newRanking(points []Point) *ranking {
	return &ranking{points: points, places: make(map[Point]int), keys: make(map[string]int)}
}

// from is the place in orders of the order of the points as seen from p.
func (r *ranking) from(p Point) int {
	if place, ok := r.places[p]; ok {
		return place
	}
	order := p.rank(r.points)
	var key []byte
	for _, i := range order {
		key = binary.AppendUvarint(key, uint64(i))
	}
	place, ok := r.keys[string(key)]
	if !ok {
		place = len(r.orders)
		r.keys[string(key)] = place
		r.orders = append(r.orders, order)
	}
	r.places[p] = place
	return place
}
