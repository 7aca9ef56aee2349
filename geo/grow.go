package geo

// grower makes a tree of ranges that come in order.
//
// At every level one node is open: that of the address that comes next. It is kept apart until it
// ends, since only then it is known whether all of it is in one class, and no node is needed.
type grower struct {
	tree
	above int // how many words of an address lie above the tree: 6 for IPv4, which is kept at ::/96
	open  [maxDepth]openNode
}

type openNode struct {
	starts  []uint16
	numbers []int
}

func newGrower(above int) *grower {
	g := &grower{above: above}
	g.levels = make([]level, maxDepth-above)
	return g
}

// add appends the range from first to last. It begins where the one before ends.
func (g *grower) add(first, last address, number int) { g.addAt(0, first, last, number) }

// addAt is add at a level, for a range that lies within its open node.
func (g *grower) addAt(depth int, first, last address, number int) {
	word := g.above + depth
	bits := 16 * (word + 1)
	from, to := int(first.word(word)), int(last.word(word))
	begins, ends := first == first.firstOf(bits), last == last.lastOf(bits)
	switch {
	case begins && ends:
		g.append(depth, from, number)
	case from == to:
		g.addAt(depth+1, first, last, number)
		if ends {
			g.end(depth+1, from)
		}
	case !begins:
		middle := first.lastOf(bits)
		g.addAt(depth, first, middle, number)
		g.addAt(depth, middle.next(), last, number)
	default: // it begins with a value, and ends in the midst of one
		middle := last.firstOf(bits)
		g.append(depth, from, number)
		g.addAt(depth, middle, last, number)
	}
}

// append adds a range of values to the open node of a level.
func (g *grower) append(depth, start, number int) {
	o := &g.open[depth]
	if n := len(o.numbers); n > 0 && o.numbers[n-1] == number && number != splitNumber {
		return
	}
	o.starts = append(o.starts, uint16(start))
	o.numbers = append(o.numbers, number)
}

// end ends the open node of a level below the first, which is one value of the node above it.
func (g *grower) end(depth, value int) {
	o := &g.open[depth]
	if len(o.numbers) == 1 {
		g.append(depth-1, value, o.numbers[0])
		o.starts, o.numbers = o.starts[:0], o.numbers[:0]
		return
	}
	g.append(depth-1, value, splitNumber)
	g.keep(depth)
}

// keep moves the open node of a level to the tree. The nodes below it are there already, in the order
// of the ranges that lead to them.
func (g *grower) keep(depth int) {
	o, l := &g.open[depth], &g.levels[depth]
	if len(l.nodes) == 0 {
		l.nodes = append(l.nodes, 0)
	}
	l.starts = append(l.starts, o.starts...)
	for _, number := range o.numbers {
		l.numbers.append(number)
	}
	l.nodes = append(l.nodes, uint32(len(l.starts)))
	o.starts, o.numbers = o.starts[:0], o.numbers[:0]
}

// finish returns the tree, after the last range.
func (g *grower) finish() tree {
	g.keep(0)
	g.tree.finish()
	return g.tree
}
