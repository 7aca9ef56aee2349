package geo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Source is a database as a file.
type Source struct {
	Name   string                 // for messages
	Digest string                 // of its content: equal digests stand for equal content
	Read   func() ([]byte, error) // called only if the content is needed; what is read is not changed
}

// Library answers questions from databases, and keeps the answers: a load that asks what the one
// before asked does not read the databases again. The zero value is ready for use, and methods are
// safe for concurrent use.
type Library struct {
	mu      sync.Mutex
	sources string // the digests of the databases that maps was made from
	about   []Database
	maps    map[string]*Map // by question
}

// Database is what is known of a database that was read.
type Database struct {
	Name  string    // of its Source
	Built time.Time // when its maker built it
	Knows Attributes
}

// Together is what databases know of any client.
func Together(databases []Database) Attributes {
	var all Attributes
	for i := range databases {
		all = all.or(databases[i].Knows)
	}
	return all
}

// longestLoad is far more than the largest databases need. One that is made to do harm can have
// records that take long, in a number that only its size bounds.
const longestLoad = 5 * time.Minute

var errTooLong = fmt.Errorf("the databases take more than %v to read: one of them is damaged, or they are too large for this machine", longestLoad)

// Load returns a map for each question, and what each of the databases is. Questions that are equal
// share a map. Of each attribute of a client, the first database that knows it counts.
//
// The maps are kept until a load that does not ask for them. A load that fails changes nothing.
// Errors name the database.
func (l *Library) Load(ctx context.Context, sources []Source, questions []Question) ([]*Map, []Database, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longestLoad, errTooLong)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	var digests strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&digests, "%q\n", s.Digest)
	}
	known, about, fresh := l.maps, l.about, l.maps != nil && l.sources == digests.String()
	if !fresh {
		known = nil
	}
	maps := make(map[string]*Map, len(questions)) // nil: to be made
	var missing []Question
	for _, q := range questions {
		if _, ok := maps[q.key()]; ok {
			continue
		}
		maps[q.key()] = known[q.key()]
		switch {
		case maps[q.key()] != nil:
		case q.isOfNetworks():
			// By itself: it is quick, and with all others it would take as long as there are
			// networks in all of them.
			alone, _, err := build(ctx, nil, []Question{q})
			if err != nil {
				return nil, nil, err
			}
			maps[q.key()] = alone[0]
		default:
			missing = append(missing, q)
		}
	}
	if !fresh || len(missing) > 0 {
		made, k, err := build(ctx, sources, missing)
		if err != nil {
			return nil, nil, err
		}
		for i, q := range missing {
			maps[q.key()] = made[i]
		}
		about = k
	}
	l.sources, l.about, l.maps = digests.String(), about, maps
	result := make([]*Map, len(questions))
	for i, q := range questions {
		result[i] = maps[q.key()]
	}
	named := slices.Clone(about) // a file may have another name than when it was read
	for i := range named {
		named[i].Name = sources[i].Name
	}
	return result, named, nil
}

// build answers questions in one pass over the databases.
func build(ctx context.Context, files []Source, questions []Question) ([]*Map, []Database, error) {
	a, err := ask(questions)
	if err != nil {
		return nil, nil, err
	}
	sources, err := open(files, a)
	if err != nil {
		return nil, nil, err
	}
	streams := []*stream{nil} // the first: the networks among the views
	for _, s := range sources {
		streams = append(streams, s.stream())
	}
	for _, ipv4 := range []bool{true, false} {
		n := nest(a.views, ipv4)
		streams[0] = n.stream()
		k := kinds{asked: a, sources: sources, chains: n.chains, numbers: make(map[string][]int)}
		// The first class of each question is that of clients of whom nothing is known.
		if _, err := k.classes(make([]int, len(streams))); err != nil {
			return nil, nil, err
		}
		last := lastIPv4
		if !ipv4 {
			last = lastIPv6
			// What databases have at ::/96 is IPv4. No address of IPv6 is there.
			for _, s := range streams[1:] {
				if _, _, err := s.at(lastIPv4.next(), last); err != nil {
					return nil, nil, err
				}
			}
		}
		err := sweep(ctx, streams, address{}, last, func(first, last address, numbers []int) error {
			classes, err := k.classes(numbers)
			if err != nil {
				return err
			}
			for i, q := range a.questions {
				q.extend(q.grower(ipv4), first, last, classes[i])
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		for _, q := range a.questions {
			q.endRun(q.grower(ipv4))
		}
	}
	var about []Database
	for _, s := range sources {
		about = append(about, Database{s.name, s.built(), s.knows})
	}
	maps := make([]*Map, len(questions))
	for i, q := range a.questions {
		if maps[i], err = q.finish(); err != nil {
			return nil, nil, err
		}
	}
	return maps, about, nil
}

// open opens all databases. Its error is of all that can't be opened.
func open(files []Source, a *asked) ([]*source, error) {
	var sources []*source
	var problems []error
	for _, f := range files {
		data, err := f.Read()
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Name, err))
			continue
		}
		d, err := openDatabase(f.Name, data)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		sources = append(sources, newSource(d, a))
	}
	return sources, errors.Join(problems...)
}

// kinds puts clients of one family into classes by what is known of them.
type kinds struct {
	asked   *asked
	sources []*source
	chains  [][]int
	numbers map[string][]int // the class for each question, by what is known

	known, found []int // of the last call
	key          []byte
}

// classes are the numbers of the classes, one for each question, of clients of whom is known: the
// chain of networks, and of each source a trait.
func (k *kinds) classes(known []int) ([]int, error) {
	if k.found != nil && slices.Equal(known, k.known) {
		return k.found, nil
	}
	k.key = k.key[:0]
	for _, number := range known {
		k.key = binary.AppendUvarint(k.key, uint64(number))
	}
	numbers, ok := k.numbers[string(k.key)]
	if !ok {
		traits := make([]trait, len(k.sources))
		for i, s := range k.sources {
			traits[i] = s.traits[known[i+1]]
		}
		m := mixture(traits)
		views := m.views(k.chains[known[0]])
		for _, q := range k.asked.questions {
			var order []int
			if q.ranking != notAsked && m.knows.Location {
				order = k.asked.rankings[q.ranking].orders[m.orders[q.ranking]]
			}
			number, err := q.number(views, order)
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, number)
		}
		k.numbers[string(k.key)] = numbers
	}
	k.known, k.found = append(k.known[:0], known...), numbers
	return numbers, nil
}
