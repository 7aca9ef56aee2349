package admin

import (
	"net/netip"
	"sync"
	"time"
)

// Bounds on wrong tokens. They spare the log and the processor: a token that this program makes cannot
// be guessed, however often one tries.
const (
	guessesWithin = time.Minute
	mostGuesses   = 10   // wrong tokens of a client within that time
	mostGuessers  = 1024 // clients that are remembered
)

// guesses counts the wrong tokens of each client. It is safe for concurrent use.
//
//	wrong tokens within the last minute    a further token
//	fewer than mostGuesses                 is looked at
//	mostGuesses                            is not looked at, right or wrong, until the first of them
//	                                       is a minute old
type guesses struct {
	mu      sync.Mutex
	clients map[netip.Prefix]*guesser
}

// guesser is when the last wrong tokens of one client came: a ring, of which next is the oldest.
type guesser struct {
	at   [mostGuesses]time.Time
	next int
}

func newGuesses() *guesses { return &guesses{clients: make(map[netip.Prefix]*guesser)} }

// try has a client's token looked at. With wait above 0 it was not, since the client has to wait for so
// long. last says that it was wrong, and that the client has to wait from here on.
func (g *guesses) try(client netip.Prefix, now time.Time, right func() bool) (wait time.Duration, last bool) {
	g.mu.Lock() // while it is looked at, too: otherwise many could be tried at the same time
	defer g.mu.Unlock()
	c := g.clients[client]
	if c != nil && !c.at[c.next].IsZero() {
		if wait := guessesWithin - now.Sub(c.at[c.next]); wait > 0 {
			return wait, false
		}
	}
	if right() {
		return 0, false
	}
	if c == nil {
		g.makeRoom()
		c = &guesser{}
		g.clients[client] = c
	}
	c.at[c.next] = now
	c.next = (c.next + 1) % mostGuesses
	oldest := c.at[c.next]
	return 0, !oldest.IsZero() && now.Sub(oldest) < guessesWithin
}

// makeRoom forgets the client whose last wrong token is the oldest, if there are too many.
func (g *guesses) makeRoom() {
	if len(g.clients) < mostGuessers {
		return
	}
	var oldest netip.Prefix
	var last time.Time
	for client, c := range g.clients {
		if at := c.at[(c.next+mostGuesses-1)%mostGuesses]; last.IsZero() || at.Before(last) {
			oldest, last = client, at
		}
	}
	delete(g.clients, oldest)
}
