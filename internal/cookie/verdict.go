package cookie

// Verdict says what a server cookie is worth. The zero value is Bad.
type Verdict uint8

const (
	// Bad: not made here for this client and address, or of another form or version.
	Bad Verdict = iota
	// Expired: made too long ago, or too far in the future. The hash was not looked at.
	Expired
	// ValidButRenew: the client is who it says; the reply ought to have a new cookie.
	ValidButRenew
	// Valid: the client is who it says; the reply may have the same cookie.
	Valid
)

// OK reports whether the client has shown that its address is its own.
func (v Verdict) OK() bool { return v >= ValidButRenew }

// String is the verdict as a metric's label.
func (v Verdict) String() string {
	switch v {
	case Expired:
		return "expired"
	case ValidButRenew:
		return "renew"
	case Valid:
		return "valid"
	}
	return "bad"
}
