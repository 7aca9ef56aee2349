package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxReply bounds the body of DynamoDB's response. A key is at most 3 KiB (2,048 and 1,024
// bytes), an error message less.
const maxReply = 64 << 10

// replyType is the media type of all of DynamoDB's responses (the AWS JSON 1.0 protocol).
const replyType = "application/x-amz-json-1.0"

// notDynamoDB is the error of a response that came from something else: a captive portal,
// a proxy, a load balancer, a mistyped endpoint. It says what is wrong with it.
type notDynamoDB string

func (e notDynamoDB) Error() string { return "this is not DynamoDB: " + string(e) }

// errNoCredentials marks what went wrong before there was anything to sign with.
var errNoCredentials = errors.New("no credentials")

// noCredentials is why there is nothing to sign with, so that it is found again in what the SDK makes of it.
type noCredentials struct{ cause error }

func (e *noCredentials) Error() string { return fmt.Sprintf("%v: %v", errNoCredentials, e.cause) }

// Is says that it is errNoCredentials.
func (e *noCredentials) Is(target error) bool { return target == errNoCredentials }

func (e *noCredentials) Unwrap() error { return e.cause }

// errNoAccount is the error of a call by the account's name with credentials that do not say the account.
var errNoAccount = errors.New("the credentials do not say their account, whose name is to be used: set account_id")

// call is one call of the SDK. It serves the SDK as its source of credentials and as its HTTP
// client, and so knows how far the call came. The SDK's own error does not always tell, least of
// all after a timeout.
type call struct {
	network     *network
	tls         *tls.Config
	credentials aws.CredentialsProvider
	isReply     func([]byte) bool // whether a body is one of a success
	names       names             // of the region, by which it is called

	signed time.Time // when there were credentials
	fault  error     // of the exchange
	status int       // of the response; 0: there was none
}

// Retrieve returns the credentials to sign with.
func (c *call) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c.credentials == nil {
		return aws.Credentials{}, &noCredentials{errors.New("the AWS configuration has no source of them")}
	}
	began, trace := time.Now(), traceOf(ctx)
	credentials, err := c.credentials.Retrieve(ctx)
	trace.hide(credentials.AccessKeyID, credentials.SecretAccessKey, credentials.SessionToken)
	trace.step(Step{Phase: Credentials, Began: began, Text: credentials.Source}, err)
	if err != nil {
		return aws.Credentials{}, &noCredentials{err}
	}
	// The SDK makes the account's name of the account of the credentials.
	credentials.AccountID = cmp.Or(c.names.accountID, credentials.AccountID)
	if c.names.account && credentials.AccountID == "" {
		return aws.Credentials{}, errNoAccount
	}
	c.signed = time.Now()
	return credentials, nil
}

// Do sends a request on a connection of its own and returns the whole response. Redirects
// are not followed: DynamoDB sends none.
func (c *call) Do(r *http.Request) (*http.Response, error) {
	to, request, err := c.render(r)
	if err != nil {
		return nil, err
	}
	resp, err := c.network.exchange(r.Context(), to, r.Method, request)
	if err != nil {
		c.fault = err
		return nil, err
	}
	defer resp.close()
	c.status = resp.StatusCode

	body, err := io.ReadAll(io.LimitReader(resp, maxReply+1))
	if err != nil {
		c.fault = err
		return nil, err
	}
	if err := verifyReply(resp.Response, body, c.isReply); err != nil {
		return nil, err
	}
	whole := *resp.Response
	whole.Body = io.NopCloser(bytes.NewReader(body))
	return &whole, nil
}

// render returns the endpoint and the bytes of a request of the SDK.
func (c *call) render(r *http.Request) (endpoint, []byte, error) {
	to := endpoint{address: net.JoinHostPort(r.URL.Hostname(), port(r.URL))}
	if r.URL.Scheme == "https" {
		to.tls = c.tls.Clone()
		to.tls.ServerName = r.URL.Hostname()
	}
	last := *r
	last.Close = true // there will be no second request
	var b bytes.Buffer
	if err := last.Write(&b); err != nil {
		return endpoint{}, nil, fmt.Errorf("request: %w", err)
	}
	return to, b.Bytes(), nil
}

// verifyReply reports a response that did not come from DynamoDB, so that a proxy or portal on the
// way decides neither about the table nor about the credentials.
//
//	the body is too long, or does not fit its checksum   not DynamoDB
//	another content type than DynamoDB's                 not DynamoDB
//	407, which is a proxy's                              not DynamoDB
//	200, what the action answers with                    DynamoDB
//	any other success                                    not DynamoDB
//	any other status, with a request id                  DynamoDB
//	any other status, without                            not DynamoDB
//
// DynamoDB sends a checksum and a request id with every response. A success counts without them,
// since other implementations of the protocol may leave them out.
func verifyReply(resp *http.Response, body []byte, isReply func([]byte) bool) error {
	not := func(format string, args ...any) error {
		return notDynamoDB(fmt.Sprintf("status %d and ", resp.StatusCode) + fmt.Sprintf(format, args...))
	}
	if len(body) > maxReply {
		return not("more than %d bytes", maxReply)
	}
	kind := resp.Header.Get("Content-Type")
	if media, _, _ := mime.ParseMediaType(kind); media != replyType {
		return not("content type %q, want %s", kind, replyType)
	}
	if sum := resp.Header.Get("X-Amz-Crc32"); sum != "" && sum != fmt.Sprint(crc32.ChecksumIEEE(body)) {
		return not("a body that does not fit its checksum")
	}
	switch {
	case resp.StatusCode == http.StatusOK && isReply(body):
		return nil
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return not("only a proxy sends that")
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return not("a body that is no answer: %q", body[:min(len(body), shownBody)])
	case resp.Header.Get("X-Amzn-Requestid") == "":
		return not("no request id")
	}
	return nil
}

// isItem says whether a body is what GetItem returns: an object with an item, or an empty one. The
// SDK would take any object without an item for "no such item".
func isItem(body []byte) bool {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return false
	}
	item, ok := fields["Item"]
	return len(fields) == 0 || len(fields) == 1 && ok && string(item) != "null"
}
