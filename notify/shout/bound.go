package shout

import (
	"io"
	"net/http"
)

// mostReply is how many bytes of a reply are read.
const mostReply = 1 << 20

// Bound is a transport whose replies end after a megabyte: services read them whole, and a host that never
// ends its reply must not take the memory of this program.
func Bound(t http.RoundTripper) http.RoundTripper { return bounded{t} }

type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		reply.Body = limited{io.LimitReader(reply.Body, mostReply), reply.Body}
	}
	return reply, err
}

type limited struct {
	io.Reader
	io.Closer
}
