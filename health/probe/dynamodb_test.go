package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"gslb/health"
)

// specItem reads an item with one key attribute; an empty endpoint is the region's own.
func specItem(endpoint string) *health.DynamoDB {
	return &health.DynamoDB{
		Table: "YourAppTable", Region: "eu-west-1", Endpoint: endpoint,
		Key:        map[string]health.KeyAttribute{"id": {Value: "123"}},
		Throttling: health.Pass, MissingTable: health.Indeterminate,
	}
}

// someCredentials stands in for the default chain.
func someCredentials(context.Context) (aws.Config, error) {
	return aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}, nil
}

// standIn answers as DynamoDB does.
type standIn struct {
	URL      string
	requests atomic.Int32
	opened   atomic.Int32
	last     atomic.Pointer[seen]
}

func newStandIn(t testing.TB, handler http.HandlerFunc) *standIn {
	t.Helper()
	s := new(standIn)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		s.last.Store(&seen{r.Method, r.RequestURI, r.Proto, r.Host, string(body), r.Header})
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// replying sends a status and a body as DynamoDB does.
func replying(status int, body string) http.HandlerFunc {
	return with(replyingAs(replyType, status, body),
		"X-Amzn-Requestid", "4FFD9G4NPPF0C1FEKCDKRCPJIFVV4KQNSO5AEMVJF66Q9ASUAAJG",
		"X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(body))))
}

// with adds headers, names and values in turn, to what a handler sends.
func with(handler http.HandlerFunc, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		handler(w, r)
	}
}

func replyingAs(contentType string, status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const (
	serviceError = "com.amazonaws.dynamodb.v20120810#"
	commonError  = "com.amazon.coral.service#"
)

// failing sends an error as DynamoDB does.
func failing(status int, code, message string) http.HandlerFunc {
	body, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	return replying(status, string(body))
}

// TestDynamoDBVerdicts is the table of what may come back, and what it means.
func TestDynamoDBVerdicts(t *testing.T) {
	const item = `{"Item":{"id":{"S":"123"}}}`
	strict := func(s *health.DynamoDB) {
		s.RequireItem, s.Throttling, s.MissingTable = true, health.Fail, health.Fail
	}
	tests := []struct {
		name   string
		reply  http.HandlerFunc
		change func(*health.DynamoDB)
		want   want
	}{
		{"item", replying(200, item), nil, want{health.Pass, "ok", "the item is there"}},
		{"required item", replying(200, item), strict, want{health.Pass, "ok", ""}},
		{"no item", replying(200, `{}`), nil, want{health.Pass, "ok", "without such an item"}},
		{"no required item", replying(200, `{}`), strict, want{health.Fail, "no_item", "table YourAppTable has no item with this key"}},

		{"throughput exceeded", failing(400, serviceError+"ProvisionedThroughputExceededException", "slow down"), nil,
			want{health.Pass, "throttled", "ProvisionedThroughputExceededException: slow down"}},
		{"throughput exceeded, fails", failing(400, serviceError+"ProvisionedThroughputExceededException", "slow down"), strict, want{health.Fail, "throttled", ""}},
		{"throttling", failing(400, commonError+"ThrottlingException", "Rate exceeded"), nil, want{health.Pass, "throttled", "Rate exceeded"}},
		{"throttling, fails", failing(400, commonError+"ThrottlingException", "Rate exceeded"), strict, want{health.Fail, "throttled", ""}},
		{"request limit", failing(400, serviceError+"RequestLimitExceeded", ""), nil, want{health.Pass, "throttled", ""}},
		{"throttling by another name", failing(400, commonError+"RequestThrottledException", ""), nil, want{health.Pass, "throttled", ""}},
		{"throttling, not configured", failing(400, commonError+"ThrottlingException", ""),
			func(s *health.DynamoDB) { s.Throttling = health.Indeterminate }, want{health.Pass, "throttled", ""}},

		{"no table", failing(400, serviceError+"ResourceNotFoundException", "Requested resource not found"), nil,
			want{health.Indeterminate, "missing_table", "eu-west-1 has no table YourAppTable"}},
		{"no table, fails", failing(400, serviceError+"ResourceNotFoundException", "Requested resource not found"), strict,
			want{health.Fail, "missing_table", "Requested resource not found"}},

		{"internal error", failing(500, serviceError+"InternalServerError", "The request processing has failed"), nil,
			want{health.Fail, "status", "status 500, InternalServerError: The request processing has failed"}},
		{"internal error, other status", failing(400, serviceError+"InternalServerError", ""), nil, want{health.Fail, "status", ""}},
		{"unavailable", failing(503, commonError+"ServiceUnavailableException", ""), nil, want{health.Fail, "status", "status 503"}},
		{"5xx with another error's code", failing(503, serviceError+"AccessDeniedException", ""), nil, want{health.Fail, "status", "status 503, AccessDeniedException"}},
		{"item of no type", replying(200, `{"Item":{"id":{"Z":"123"}}}`), nil, want{health.Fail, "protocol", `this is not DynamoDB: attribute "id"`}},
		{"proxy that imitates", failing(407, serviceError+"AccessDeniedException", ""), nil, want{health.Fail, "protocol", "only a proxy sends that"}},
		{"unknown 5xx", failing(502, commonError+"Novelty", ""), nil, want{health.Fail, "status", "status 502, Novelty"}},
		{"5xx without a code", replying(500, `{}`), nil, want{health.Fail, "status", "status 500"}},
		{"5xx of a load balancer", replyingAs("text/html", 503, "<h1>503</h1>"), nil, want{health.Fail, "status", "status 503"}},
		{"5xx without a body", replying(504, ""), nil, want{health.Fail, "status", "status 504"}},

		{"access denied", failing(400, commonError+"AccessDeniedException", "User: arn:aws:iam::123456789012:user/gslb is not authorized"), nil,
			want{health.Indeterminate, "access_denied", "allow dynamodb:GetItem on table/YourAppTable in eu-west-1 (AccessDeniedException: User: arn"}},
		{"access denied by ARN", failing(400, commonError+"AccessDeniedException", ""),
			func(s *health.DynamoDB) { s.Table = "arn:aws:dynamodb:eu-west-1:123456789012:table/T" },
			want{health.Indeterminate, "access_denied", "allow dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:123456789012:table/T in"}},
		{"unknown client", failing(400, commonError+"UnrecognizedClientException", "The security token included in the request is invalid."), nil,
			want{health.Indeterminate, "credentials", "AWS does not know these credentials"}},
		{"unknown key", failing(403, commonError+"InvalidClientTokenId", ""), nil, want{health.Indeterminate, "credentials", ""}},
		{"expired token", failing(400, commonError+"ExpiredTokenException", "The security token included in the request is expired"), nil,
			want{health.Indeterminate, "credentials", "have expired: renew them"}},
		{"bad signature", failing(400, commonError+"InvalidSignatureException", "The request signature we calculated does not match"), nil,
			want{health.Indeterminate, "credentials", "check the secret access key"}},
		{"clock behind", failing(400, commonError+"InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z"), nil,
			want{health.Indeterminate, "clock", "the clock of this host is off"}},
		{"clock ahead", failing(400, commonError+"InvalidSignatureException", "Signature not yet current: 20260101T001000Z is still later than"), nil,
			want{health.Indeterminate, "clock", "the clock of this host is off"}},
		{"no token", failing(400, commonError+"MissingAuthenticationTokenException", ""), nil, want{health.Indeterminate, "credentials", ""}},
		{"half a signature", failing(400, commonError+"IncompleteSignatureException", ""), nil, want{health.Indeterminate, "credentials", ""}},
		{"validation", failing(400, commonError+"ValidationException", "The provided key element does not match the schema"), nil,
			want{health.Indeterminate, "validation", "compare the key's attributes and types with the table's (ValidationException: The provided key element"}},
		{"serialization", failing(400, commonError+"SerializationException", ""), nil, want{health.Indeterminate, "validation", ""}},
		{"conflict of a write that was not made", failing(400, serviceError+"ReplicatedWriteConflictException", ""), nil, want{health.Indeterminate, "rejected", ""}},
		{"other 4xx", failing(400, commonError+"UnknownOperationException", ""), nil, want{health.Indeterminate, "rejected", "status 400, UnknownOperationException"}},
		{"code in the header", with(replying(403, ""), "X-Amzn-ErrorType", "AccessDeniedException:http://internal.amazon.com/"), nil, want{health.Indeterminate, "access_denied", ""}},
		{"code without a namespace", failing(400, "ResourceNotFoundException", ""), nil, want{health.Indeterminate, "missing_table", ""}},
		{"a message of many lines", failing(400, commonError+"Novelty", "one\ntwo\x1b[31m"+strings.Repeat("x", 1000)), nil,
			want{health.Indeterminate, "rejected", `one two\x1b[31mxxx`}},

		{"portal", replyingAs("text/html", 200, "<html>Log in</html>"), nil,
			want{health.Fail, "protocol", `this is not DynamoDB: status 200 and content type "text/html"`}},
		{"portal that redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, nil,
			want{health.Fail, "protocol", "this is not DynamoDB: status 302"}},
		{"portal that forbids", replyingAs("text/html", 403, "<html>Log in</html>"), nil, want{health.Fail, "protocol", "this is not DynamoDB: status 403"}},
		{"another JSON service", replyingAs("application/json", 200, `{"status":"ok"}`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"another JSON service's error", replyingAs("application/json", 404, `{"error":"not found"}`), nil, want{health.Fail, "protocol", "this is not DynamoDB: status 404"}},
		{"proxy that forbids", replyingAs("application/json", 403, `{"code":"blocked","message":"by policy"}`), nil,
			want{health.Fail, "protocol", `this is not DynamoDB: status 403 and content type "application/json"`}},
		{"proxy that speaks as AWS does", replyingAs("application/json", 403, `{"__type":"AccessDeniedException"}`), nil, want{health.Fail, "protocol", "status 403 and content type"}},
		{"proxy with a code in the header", with(replyingAs("text/html", 403, ""), "X-Amzn-ErrorType", "AccessDeniedException"), nil, want{health.Fail, "protocol", "status 403"}},
		{"proxy that asks for a password", with(replyingAs("text/html", 407, ""), "Proxy-Authenticate", "Basic"), nil, want{health.Fail, "protocol", "status 407"}},
		{"proxy that throttles", replyingAs("application/json", 429, `{"__type":"ThrottlingException"}`), nil, want{health.Fail, "protocol", "status 429"}},
		{"proxy that throttles with a 5xx", replyingAs("application/json", 503, `{"__type":"ThrottlingException"}`), nil, want{health.Fail, "status", "status 503"}},
		{"error without a request id", replyingAs(replyType, 400, `{"__type":"AccessDeniedException"}`), nil, want{health.Fail, "protocol", "status 400 and no request id"}},
		{"error that was altered", with(replyingAs(replyType, 400, `{"__type":"AccessDeniedException"}`), "X-Amzn-Requestid", "4FFD", "X-Amz-Crc32", "1"), nil, want{health.Fail, "protocol", "does not fit its checksum"}},
		{"4xx without a body", replying(404, ""), nil, want{health.Fail, "protocol", "this is not DynamoDB: status 404"}},
		{"no body", replying(200, ""), nil, want{health.Fail, "protocol", "status 200 and a body that is no answer"}},
		{"no content", replying(204, ""), nil, want{health.Fail, "protocol", "this is not DynamoDB: status 204"}},
		{"accepted", replying(202, item), nil, want{health.Fail, "protocol", "this is not DynamoDB: status 202"}},
		{"another object", replying(200, `{"status":"ok"}`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"null for an item", replying(200, `{"Item":null}`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"two objects", replying(200, `{} {}`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"item that was altered", with(replyingAs(replyType, 200, item), "X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(item))^1)), nil,
			want{health.Fail, "protocol", "status 200 and a body that does not fit its checksum"}},
		{"checksum that is no number", with(replyingAs(replyType, 200, item), "X-Amz-Crc32", "none"), nil, want{health.Fail, "protocol", "does not fit its checksum"}},
		{"item without a checksum", replyingAs(replyType, 200, item), nil, want{health.Pass, "ok", "the item is there"}},
		{"half an object", replying(200, `{"Item":{"id":`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"not an object", replying(200, `["Item"]`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"null", replying(200, `null`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"not an item", replying(200, `{"Item":7}`), nil, want{health.Fail, "protocol", "this is not DynamoDB"}},
		{"endless", replying(200, `{"Item":{"id":{"S":"`+strings.Repeat("x", 1<<20)+`"}}}`), nil, want{health.Fail, "protocol", "more than 65536 bytes"}},
		{"closes", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, want{health.Fail, "closed", "waiting for the response"}},
		{"closes within the body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"Item"`)
		}, nil, want{health.Fail, "closed", "reading the body from"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := newStandIn(t, test.reply)
			spec := specItem(server.URL)
			if test.change != nil {
				test.change(spec)
			}
			probe := mustMake(t, Options{AWS: someCredentials}, spec)
			test.want.check(t, runPromptly(t, probe))
			test.want.check(t, runPromptly(t, probe))
			if requests, opened := server.requests.Load(), server.opened.Load(); requests != 2 || opened != 2 {
				t.Errorf("2 probes made %d requests on %d connections", requests, opened)
			}
		})
	}
}

func TestDynamoDBRefused(t *testing.T) {
	want{health.Fail, "refused", "connection refused"}.check(t,
		runPromptly(t, mustMake(t, Options{AWS: someCredentials}, specItem("http://"+refusing(t)))))
}

func TestDynamoDBRequest(t *testing.T) {
	server := newStandIn(t, replying(200, `{}`))
	spec := specItem(server.URL)
	spec.Key = map[string]health.KeyAttribute{"name": {Value: "123"}, "age": {Value: "-4.5", Number: true}}
	runPromptly(t, mustMake(t, Options{AWS: someCredentials}, spec))

	got := server.last.Load()
	if target := got.Header.Get("X-Amz-Target"); target != "DynamoDB_20120810.GetItem" {
		t.Errorf("target %q", target)
	}
	if authorization := got.Header.Get("Authorization"); !strings.Contains(authorization, "/eu-west-1/dynamodb/aws4_request") {
		t.Errorf("authorization %q", authorization)
	}
	var body, wanted any
	if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
		t.Fatal(err)
	}
	json.Unmarshal([]byte(`{
		"TableName": "YourAppTable", "ConsistentRead": false,
		"Key": {"age": {"N": "-4.5"}, "name": {"S": "123"}},
		"ProjectionExpression": "#k0, #k1", "ExpressionAttributeNames": {"#k0": "age", "#k1": "name"}}`), &wanted)
	if diff := cmp.Diff(wanted, body); diff != "" {
		t.Error(diff)
	}
}

// TestDynamoDBEnvironment bends the environment, and a profile, in every way that could send
// a probe somewhere else, more than once, or nowhere. What zones.toml says must be probed,
// once.
func TestDynamoDBEnvironment(t *testing.T) {
	const (
		everything = `
[default]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = secret
region = us-west-2
use_fips_endpoint = true
use_dualstack_endpoint = true
endpoint_url = http://192.0.2.1
services = here
ignore_configured_endpoint_urls = false
endpoint_discovery_enabled = true
account_id_endpoint_mode = required
max_attempts = 5
retry_mode = adaptive
defaults_mode = auto
sdk_ua_app_id = other
disable_request_compression = true
[services here]
dynamodb =
  endpoint_url = http://192.0.2.2
`
		keys = "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n"
	)
	tests := []struct {
		name        string
		environment map[string]string
		profile     string
	}{
		{"nothing", nil, ""},
		{"fips", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, ""},
		{"dual-stack", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, ""},
		{"fips and dual-stack", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, ""},
		{"region", map[string]string{"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1"}, ""},
		{"endpoint", map[string]string{"AWS_ENDPOINT_URL": "http://192.0.2.1"}, ""},
		{"endpoint of DynamoDB", map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://192.0.2.2"}, ""},
		{"endpoint discovery", map[string]string{"AWS_ENABLE_ENDPOINT_DISCOVERY": "true"}, ""},
		{"account", map[string]string{"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"}, ""},
		{"retries", map[string]string{"AWS_MAX_ATTEMPTS": "5", "AWS_RETRY_MODE": "adaptive", "AWS_NEW_RETRIES_2026": "true"}, ""},
		{"legacy retries", map[string]string{"AWS_RETRY_MODE": "legacy"}, ""},
		{"mode of defaults", map[string]string{"AWS_DEFAULTS_MODE": "auto"}, ""},
		{"retries that are no mode", map[string]string{"AWS_RETRY_MODE": "Standard"}, ""},
		{"invalid settings of calls", map[string]string{
			"AWS_RETRY_MODE": "eager", "AWS_MAX_ATTEMPTS": "many", "AWS_DEFAULTS_MODE": "fast", "AWS_ENABLE_ENDPOINT_DISCOVERY": "perhaps",
			"AWS_ACCOUNT_ID_ENDPOINT_MODE": "PREFERRED", "AWS_DISABLE_REQUEST_COMPRESSION": "1", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "-1",
			"AWS_DISABLE_CLOCK_SKEW_CORRECTION": "1", "AWS_REQUEST_CHECKSUM_CALCULATION": "never", "AWS_RESPONSE_CHECKSUM_VALIDATION": "never",
			"AWS_S3_USE_ARN_REGION": "1", "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS": "1", "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH": "1",
		}, ""},
		{"application", map[string]string{"AWS_SDK_UA_APP_ID": "other"}, ""},
		{"signatures", map[string]string{"AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth,sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": "*"}, ""},
		{"proxies", map[string]string{"HTTPS_PROXY": "http://192.0.2.3", "HTTP_PROXY": "http://192.0.2.3", "ALL_PROXY": "http://192.0.2.3"}, ""},
		{"profile", nil, everything},
		{"profile with legacy retries", nil, keys + "retry_mode = legacy\n"},
		{"profile with legacy retries and a remark", nil, keys + "  retry_mode=legacy  # as boto3 does\r\n"},
		{"profile with invalid settings of calls", nil, keys + "retry_mode = eager\nmax_attempts = many\ndefaults_mode=fast\naccount_id_endpoint_mode = x\n" +
			"disable_request_compression = x\nrequest_min_compression_size_bytes = x\ndisable_clock_skew_correction = x\n" +
			"request_checksum_calculation = x\nresponse_checksum_validation = x\n"},
		{"profile after legacy retries", nil, "[profile other]\nretry_mode = legacy\n" + keys},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			isolate(t)
			if test.profile == "" {
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			} else {
				t.Setenv("AWS_CONFIG_FILE", write(t, "config", test.profile))
			}
			for name, value := range test.environment {
				t.Setenv(name, value)
			}
			server := newStandIn(t, failing(500, serviceError+"InternalServerError", "")) // which the SDK would retry
			own := strings.TrimPrefix(server.URL, "http://")
			var dialed []string
			o := Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				dialed = append(dialed, address)
				if address == own {
					return new(net.Dialer).DialContext(ctx, network, address)
				}
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}}
			want{health.Fail, "refused", ""}.check(t, runPromptly(t, mustMake(t, o, specItem(""))))
			want{health.Fail, "status", "status 500"}.check(t, runPromptly(t, mustMake(t, o, specItem(server.URL))))
			if diff := cmp.Diff([]string{"dynamodb.eu-west-1.amazonaws.com:443", own}, dialed); diff != "" {
				t.Error(diff)
			}
			if agent := server.last.Load().Header.Get("User-Agent"); !strings.Contains(agent, "app/gslb") {
				t.Errorf("user agent %q", agent)
			}
		})
	}
}

// TestInvalidSettings has settings that the SDK refuses, and that credentials may depend on. They are named, so
// that nobody looks for credentials that are there.
func TestInvalidSettings(t *testing.T) {
	garbage := write(t, "garbage.pem", "garbage")
	tests := []struct{ variable, value, profile, want string }{
		{variable: "AWS_USE_FIPS_ENDPOINT", value: "perhaps", want: "AWS_USE_FIPS_ENDPOINT=perhaps"},
		{variable: "AWS_USE_DUALSTACK_ENDPOINT", value: "perhaps", want: "AWS_USE_DUALSTACK_ENDPOINT=perhaps"},
		{variable: "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", value: "IPv5", want: "IPv5"},
		{variable: "AWS_CA_BUNDLE", value: "/nowhere/roots.pem", want: "not valid: AWS_CA_BUNDLE: open /nowhere/roots.pem"},
		{variable: "AWS_CA_BUNDLE", value: "/dev/zero", want: "not valid: AWS_CA_BUNDLE: "},
		{variable: "AWS_CA_BUNDLE", value: garbage, want: "see AWS_CA_BUNDLE, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE: failed to load custom CA bundle"},
		{variable: "AWS_PROFILE", value: "blue", want: "see AWS_PROFILE: failed to get shared config profile, blue"},
		{variable: "AWS_WEB_IDENTITY_TOKEN_FILE", value: "/nowhere/token", want: "AWS_WEB_IDENTITY_TOKEN_FILE: role ARN is not set"},
		{profile: "ca_bundle = " + garbage, want: "see AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE: failed to load custom CA bundle"},
		{profile: "role_arn = arn:aws:iam::123456789012:role/x\ncredential_source = Moon", want: "credential_source"},
	}
	for _, test := range tests {
		t.Run(test.variable+test.profile, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			if test.variable != "" {
				t.Setenv(test.variable, test.value)
			}
			if test.variable != "" && test.variable != "AWS_WEB_IDENTITY_TOKEN_FILE" {
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			}
			t.Setenv("AWS_CONFIG_FILE", write(t, "config", "[default]\n"+test.profile+"\n"))
			got := runPromptly(t, mustMake(t, Options{}, specItem("http://192.0.2.1")))
			want{health.Indeterminate, "credentials", test.want}.check(t, got)
			want{health.Indeterminate, "credentials", "the AWS settings of this host are not valid"}.check(t, got)
			if strings.Contains(got.Detail, "no usable") {
				t.Errorf("it looks like missing credentials: %s", got.Detail)
			}
		})
	}
}

// write makes a file that is gone after the test, and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// isolate takes away whatever AWS configuration this machine has.
func isolate(t *testing.T) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", write(t, "config", ""))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "credentials", ""))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestDynamoDBDefaultChain(t *testing.T) {
	server := newStandIn(t, replying(200, `{}`))
	isolate(t)
	probe := mustMake(t, Options{}, specItem(server.URL))
	want{health.Indeterminate, "credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}.check(t, runPromptly(t, probe))
	if got := server.requests.Load(); got != 0 {
		t.Errorf("%d requests without credentials", got)
	}

	// Files that could not be read, as none can without a descriptor, are read again.
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write(t, "credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = S\n"))
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, probe))
}

// TestDynamoDBOverTLS verifies AWS by the roots of the AWS configuration, which is where
// AWS_CA_BUNDLE ends up.
func TestDynamoDBOverTLS(t *testing.T) {
	ca := newAuthority(t)
	certificate := ca.sign(t, "dynamodb.eu-west-1.amazonaws.com", time.Now().Add(time.Hour))
	address, names := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, replying(200, `{}`))
	o := Options{
		Dial: resolveTo(t, map[string]string{"dynamodb.eu-west-1.amazonaws.com:443": address, "dynamodb.us-east-1.amazonaws.com:443": address}),
		AWS: func(ctx context.Context) (aws.Config, error) {
			config, err := someCredentials(ctx)
			config.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
				transport.TLSClientConfig.RootCAs = ca.pool()
			})
			return config, err
		},
	}
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, o, specItem(""))))
	if got := <-names; got != "dynamodb.eu-west-1.amazonaws.com" {
		t.Errorf("server name %q", got)
	}

	other := specItem("")
	other.Region = "us-east-1"
	want{health.Fail, "tls", "not dynamodb.us-east-1.amazonaws.com"}.check(t, runPromptly(t, mustMake(t, o, other)))
}

// TestRenewedCredentials has credentials refused, and then renewed in the file that they
// came from: the probe finds them without a restart.
func TestRenewedCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key string) {
		t.Helper()
		text := "[default]\naws_access_key_id = " + key + "\naws_secret_access_key = s\naws_session_token = t\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", file+".none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	server := newStandIn(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "NEWKEY") {
			failing(400, commonError+"ExpiredTokenException", "The security token included in the request is expired")(w, r)
			return
		}
		replying(200, `{}`)(w, r)
	})
	write("OLDKEY")
	probe, err := New(Options{})(health.Target{ID: "table@us-east-1", Spec: specItem(server.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if got := runPromptly(t, probe); got.Verdict != health.Indeterminate || got.Reason != "credentials" {
		t.Fatalf("with the old credentials: %v", got)
	}
	write("NEWKEY")
	if got := runPromptly(t, probe); got.Verdict != health.Pass {
		t.Errorf("with the new credentials: %v", got)
	}
}
