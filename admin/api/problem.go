package api

import (
	"fmt"
	"net/http"
)

// Problem is the body of every answer that is not a success (RFC 9457), and the error that an operator
// returns to be answered so.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`              // of the type
	Status   int    `json:"status"`             // of the response
	Detail   string `json:"detail"`             // of this occurrence: what is wrong, and what to do
	Instance string `json:"instance,omitempty"` // the path that was asked for

	Names      []string `json:"names,omitempty"` // the first 20 that it concerns
	NamesTotal int      `json:"names_total,omitempty"`
	Errors     []string `json:"errors,omitempty"` // of a configuration or a request that is refused, a line each
	// RetryAfter is how many seconds to wait, as in the header Retry-After.
	RetryAfter int `json:"retry_after_seconds,omitempty"`
}

// Types of problems. They are never renamed.
const (
	BadRequest       = "urn:gslb:problem:bad-request"            // a parameter or the body is not as it must be
	Unauthorized     = "urn:gslb:problem:unauthorized"           // it needs a token, or a better one
	Forbidden        = "urn:gslb:problem:forbidden"              // another web site is behind it
	NotFound         = "urn:gslb:problem:not-found"              // there is no such thing
	MethodNotAllowed = "urn:gslb:problem:method-not-allowed"     // the path has other methods, see Allow
	NotAcceptable    = "urn:gslb:problem:not-acceptable"         // it can't be answered in the form asked for
	Conflict         = "urn:gslb:problem:conflict"               // it does not fit what is there
	LeavesNothing    = "urn:gslb:problem:leaves-nothing"         // names would be left without a pool
	NotUsable        = "urn:gslb:problem:not-usable"             // the pool can't be answered
	DataBehind       = "urn:gslb:problem:data-behind"            // the pool's data is, see accept_loss
	TooLarge         = "urn:gslb:problem:too-large"              // the body
	UnsupportedMedia = "urn:gslb:problem:unsupported-media-type" // the body is not application/json
	Misdirected      = "urn:gslb:problem:misdirected"            // this server has another name
	Refused          = "urn:gslb:problem:refused-configuration"  // the configuration has errors
	TooMany          = "urn:gslb:problem:too-many-requests"      // wait
	Internal         = "urn:gslb:problem:internal"               // a fault of the program
	NotKept          = "urn:gslb:problem:not-kept"               // the disk did not take it; nothing was done
	Unavailable      = "urn:gslb:problem:unavailable"            // not now, see the detail
)

// about says of a type its title and the status of its response.
func about(kind string) (title string, status int) {
	switch kind {
	case BadRequest:
		return "The request is not valid", http.StatusBadRequest
	case Unauthorized:
		return "A token is needed", http.StatusUnauthorized
	case Forbidden:
		return "Another web site made this request", http.StatusForbidden
	case NotFound:
		return "There is no such thing", http.StatusNotFound
	case MethodNotAllowed:
		return "The path does not have this method", http.StatusMethodNotAllowed
	case NotAcceptable:
		return "There is no such form of it", http.StatusNotAcceptable
	case Conflict:
		return "It does not fit what is there", http.StatusConflict
	case LeavesNothing:
		return "Names would be left with nothing", http.StatusConflict
	case NotUsable:
		return "The pool is not usable", http.StatusConflict
	case DataBehind:
		return "The data of the pool is behind", http.StatusConflict
	case TooLarge:
		return "The body is too large", http.StatusRequestEntityTooLarge
	case UnsupportedMedia:
		return "The body is not JSON", http.StatusUnsupportedMediaType
	case Misdirected:
		return "This server has another name", http.StatusMisdirectedRequest
	case Refused:
		return "The configuration is refused", http.StatusUnprocessableEntity
	case TooMany:
		return "Too many requests", http.StatusTooManyRequests
	case NotKept:
		return "It could not be kept", http.StatusServiceUnavailable
	case Unavailable:
		return "Not available at present", http.StatusServiceUnavailable
	}
	return "A fault of this program", http.StatusInternalServerError
}

// NewProblem makes a problem of one of the types above.
func NewProblem(kind, format string, args ...any) *Problem {
	title, status := about(kind)
	return &Problem{Type: kind, Title: title, Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}
