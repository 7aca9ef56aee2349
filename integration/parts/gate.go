package parts

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// Gate stands before a DynamoDB. It lets everything through until it is told to refuse, and then answers as
// DynamoDB itself does. It is safe for concurrent use.
type Gate struct {
	*httptest.Server
	refusal atomic.Pointer[Refusal]
}

// Refusal is how DynamoDB refuses calls.
type Refusal struct {
	Code, Message string
	Status        int    // of HTTP; 0: 400
	Only          string // of operations whose names begin so, such as "Put"; empty: of all
}

// Throttled and Broken are what a region that has lost its capacity, or itself, says.
var (
	Throttled = Refusal{Code: "ThrottlingException", Message: "Rate of requests exceeds the allowed throughput."}
	Broken    = Refusal{Code: "InternalServerError", Message: "The request processing has failed because of an unknown error.", Status: http.StatusInternalServerError}
)

// Of is the refusal for operations whose names begin so alone.
func (r Refusal) Of(operations string) *Refusal {
	r.Only = operations
	return &r
}

// GateForTest makes a gate before the DynamoDB with a base URL, for one test.
func GateForTest(t testing.TB, endpoint string) *Gate {
	t.Helper()
	behind, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(behind)
	through.ErrorLog = log.New(io.Discard, "", 0) // a client that was killed is no matter, and the others are told
	g := new(Gate)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		refusal := g.refusal.Load()
		if refusal == nil || !strings.HasPrefix(operation, refusal.Only) {
			through.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amzn-Requestid", "4FFD9G4NPPF0C1FEKCDKRCPJIFVV4KQNSO5AEMVJF66Q9ASUAAJG")
		w.WriteHeader(max(refusal.Status, http.StatusBadRequest))
		fmt.Fprintf(w, `{"__type":"com.amazon.coral.service#%s","message":%q}`, refusal.Code, refusal.Message)
	}))
	t.Cleanup(g.Close)
	return g
}

// Refuse has the gate refuse from now on; nil: it lets everything through again.
func (g *Gate) Refuse(refusal *Refusal) { g.refusal.Store(refusal) }
