package probe

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"gslb/health"
)

// maxAnswer bounds what is read of a health service's answer, which has a few bytes.
const maxAnswer = 4 << 10

// grpcProbe asks a server's health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). A call
// is one HTTP/2 request whose body is a message behind five bytes, and whose outcome stands in the trailer
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
type grpcProbe struct{ spec *health.GRPC }

func newGRPC(n *network, spec *health.GRPC) (health.Probe, error) {
	address := cmp.Or(spec.Address, spec.Target)
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	scheme := "http"
	if spec.Secure {
		scheme = "https"
	}
	var question []byte
	if spec.Service != "" {
		question = protowire.AppendTag(question, 1, protowire.BytesType)
		question = protowire.AppendString(question, spec.Service)
	}
	call := &health.HTTP{
		URL: scheme + "://" + address + "/grpc.health.v1.Health/Check", Method: http.MethodPost, HTTP2: true, Link: spec.Link,
		Headers: map[string]string{"Content-Type": "application/grpc", "Te": "trailers"},
		Body:    string(framed(question)),
		Status:  []health.StatusRange{{From: http.StatusOK, To: http.StatusOK}},
	}
	return newPage(n, call, (&grpcProbe{spec}).judge)
}

// framed is a message as it is sent: not compressed, and its length before it.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// judge judges the response to the call.
//
//	what came back                          verdict
//	SERVING                                 pass
//	NOT_SERVING, UNKNOWN, SERVICE_UNKNOWN   fail
//	UNAUTHENTICATED, PERMISSION_DENIED      indeterminate: the service speaks to others
//	any other error, of the call            fail
//	no gRPC                                 fail
func (p *grpcProbe) judge(ctx context.Context, resp *response) health.Result {
	if resp.StatusCode != http.StatusOK {
		return fail("status", "status %d, want 200 of a gRPC server", resp.StatusCode)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/grpc") {
		return fail("protocol", "this is not gRPC: content type %q", kind)
	}
	body, err := io.ReadAll(io.LimitReader(resp, maxAnswer+1))
	var f *fault
	switch {
	case errors.As(err, &f):
		return classify(ctx, err)
	case len(body) > maxAnswer:
		return fail("protocol", "the answer is longer than %d bytes", maxAnswer)
	}
	// An error may come without an answer, and then in the header.
	code := cmp.Or(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status"))
	said := cmp.Or(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message"))
	if text, err := url.PathUnescape(said); err == nil {
		said = text
	}
	if code != "0" {
		return p.refused(code, said)
	}
	serving, err := servingStatus(body)
	if err != nil {
		return fail("protocol", "%v", err)
	}
	if serving != "SERVING" {
		return fail("serving", "%s is %s, want SERVING", p.what(), serving)
	}
	return pass(serving)
}

func (p *grpcProbe) what() string {
	if p.spec.Service == "" {
		return "the server"
	}
	return fmt.Sprintf("service %q", p.spec.Service)
}

// refused judges a call that ended in an error.
func (p *grpcProbe) refused(code, said string) health.Result {
	name, known := grpcCodes[code]
	switch {
	case code == "":
		return fail("protocol", "the answer has no grpc-status")
	case !known:
		name = "code " + code
	}
	if said != "" {
		said = ": " + said
	}
	switch name {
	case "UNIMPLEMENTED":
		return fail("grpc", "UNIMPLEMENTED: the server has no health service (grpc.health.v1.Health), register it there%s", said)
	case "NOT_FOUND":
		return fail("grpc", "NOT_FOUND: the health service knows nothing of %s%s", p.what(), said)
	case "UNAUTHENTICATED", "PERMISSION_DENIED":
		return indeterminate("credentials", "%s: the health service does not answer this server%s", name, said)
	}
	return fail("grpc", "%s%s", name, said)
}

// grpcCodes are the names of a call's outcomes (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
var grpcCodes = map[string]string{
	"1": "CANCELLED", "2": "UNKNOWN", "3": "INVALID_ARGUMENT", "4": "DEADLINE_EXCEEDED", "5": "NOT_FOUND", "6": "ALREADY_EXISTS",
	"7": "PERMISSION_DENIED", "8": "RESOURCE_EXHAUSTED", "9": "FAILED_PRECONDITION", "10": "ABORTED", "11": "OUT_OF_RANGE",
	"12": "UNIMPLEMENTED", "13": "INTERNAL", "14": "UNAVAILABLE", "15": "DATA_LOSS", "16": "UNAUTHENTICATED",
}

// servingStatus reads a HealthCheckResponse, whose only field is the status; without it, that is 0.
func servingStatus(body []byte) (string, error) {
	if len(body) < 5 {
		return "", fmt.Errorf("the answer has %d bytes, too few for a message", len(body))
	}
	message := body[5:]
	switch length := binary.BigEndian.Uint32(body[1:]); {
	case body[0] != 0:
		return "", errors.New("the answer is compressed, which nobody has asked for")
	case int64(length) != int64(len(message)):
		return "", fmt.Errorf("the answer says that it has %d bytes, and has %d", length, len(message))
	}
	status := uint64(0)
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return "", fmt.Errorf("the answer is no message: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if number == 1 && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(message)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return "", fmt.Errorf("the answer is no message: %w", protowire.ParseError(n))
		}
		message = message[n:]
	}
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status >= uint64(len(names)) {
		return fmt.Sprintf("status %d", status), nil
	}
	return names[status], nil
}
