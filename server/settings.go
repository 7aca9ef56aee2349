package server

import (
	"gslb/internal/cookie"
	"gslb/internal/rrl"
)

// Settings is what may change while a [Server] runs. It is immutable once it is applied.
type Settings struct {
	// ID is what the server calls itself, in EDNS's NSID option (RFC 5001) and for
	// id.server in class CH (RFC 4892); empty: nothing.
	ID string
	// Version is what it answers for version.bind in class CH; empty: nothing.
	Version string
	// Cookies makes and verifies DNS cookies; nil: there are none.
	Cookies *cookie.Keyring
	// Limiter limits the rate of responses over UDP; nil: nothing is limited.
	Limiter *rrl.Limiter
}

// Apply puts settings to use, from the next queries on. It is safe for concurrent use.
func (s *Server) Apply(settings Settings) { s.settings.Store(&settings) }
