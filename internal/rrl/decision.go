package rrl

// Class is the kind of a response. Classes are counted apart, so that an attack with one
// does not keep a network from the others.
type Class uint8

// What each class is counted by stands in the package's documentation.
const (
	Positive Class = iota // has what was asked for
	NoData                // the name exists, the type does not
	NXDomain              // the name does not exist
	Referral              // a delegation
	Wildcard              // made from a wildcard or a DNAME, whatever it has in it
	Any                   // to a query for type ANY (RFC 8482)
	Error                 // any other response code
)

// String is the class as a metric's label and in the log.
func (c Class) String() string {
	switch c {
	case Positive:
		return "positive"
	case NoData:
		return "nodata"
	case NXDomain:
		return "nxdomain"
	case Referral:
		return "referral"
	case Wildcard:
		return "wildcard"
	case Any:
		return "any"
	}
	return "error"
}

// Decision says what to do with a response.
type Decision struct {
	Action Action
	Change Change
}

// Action is what becomes of a response. The zero value is Pass.
type Action uint8

const (
	Pass Action = iota // send it
	Slip               // send the question with TC=1; an error as it is
	Drop               // send nothing
)

// String is the action as a metric's label.
func (a Action) String() string {
	switch a {
	case Slip:
		return "slip"
	case Drop:
		return "drop"
	}
	return "pass"
}

// Change tells of a bucket that begins or ceases to be limited, which is worth a line in the
// log, though not one for each of thousands. A bucket changes at most once while a full one
// drains, Burst/Rate seconds. The zero value is Unchanged.
type Change uint8

const (
	Unchanged Change = iota
	// Entered comes with the first response that is limited.
	Entered
	// Left comes with the first response after that which finds the bucket empty. Where no
	// response follows, or the bucket has lost its place, it never comes.
	Left
)
