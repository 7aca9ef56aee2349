package probe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/google/go-cmp/cmp"

	"gslb/health"
)

// ofAccount is credentials that say their account.
func ofAccount(id string) func(context.Context) (aws.Config, error) {
	return withSource(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", AccountID: id}, nil
	})
}

// TestNamesOfRegions has a check connect to every name that a region has.
func TestNamesOfRegions(t *testing.T) {
	const regional, account = "dynamodb.eu-west-1.amazonaws.com:443", "111122223333.ddb.eu-west-1.amazonaws.com:443"
	tests := []struct {
		name    string
		account string // of the credentials
		change  func(*health.DynamoDB)
		dialed  []string
	}{
		{"default", "444455556666", func(*health.DynamoDB) {}, []string{regional}},
		{"account of the credentials", "111122223333", func(s *health.DynamoDB) { s.Names = health.AccountName }, []string{account}},
		{"account of the check", "444455556666", func(s *health.DynamoDB) { s.Names, s.AccountID = health.AccountName, "111122223333" }, []string{account}},
		{"account of the table", "", func(s *health.DynamoDB) {
			s.Names, s.Table = health.AccountName, "arn:aws:dynamodb:eu-west-1:111122223333:table/T"
		}, []string{account}},
		{"both", "111122223333", func(s *health.DynamoDB) { s.Names = health.BothNames }, []string{account, regional}},
		{"dual stack", "", func(s *health.DynamoDB) { s.DualStack = true }, []string{"dynamodb.eu-west-1.api.aws:443"}},
		{"account, dual stack", "111122223333", func(s *health.DynamoDB) { s.Names, s.DualStack = health.AccountName, true },
			[]string{"111122223333.ddb.eu-west-1.api.aws:443"}},
		{"FIPS", "", func(s *health.DynamoDB) { s.FIPS, s.Region = true, "us-east-1" }, []string{"dynamodb-fips.us-east-1.amazonaws.com:443"}},
		{"FIPS, dual stack", "", func(s *health.DynamoDB) { s.FIPS, s.DualStack, s.Region = true, true, "us-east-1" }, []string{"dynamodb-fips.us-east-1.api.aws:443"}},
		{"FIPS of the government", "", func(s *health.DynamoDB) { s.FIPS, s.Region = true, "us-gov-west-1" }, []string{"dynamodb.us-gov-west-1.amazonaws.com:443"}},
		{"account in China", "111122223333", func(s *health.DynamoDB) { s.Names, s.Region = health.AccountName, "cn-north-1" },
			[]string{"111122223333.ddb.cn-north-1.amazonaws.com.cn:443"}},
		{"China", "", func(s *health.DynamoDB) { s.Region = "cn-north-1" }, []string{"dynamodb.cn-north-1.amazonaws.com.cn:443"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := specItem("")
			test.change(spec)
			var mu sync.Mutex
			var dialed []string
			o := Options{AWS: ofAccount(test.account), Dial: func(_ context.Context, _, address string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				dialed = append(dialed, address)
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}}
			want{health.Fail, "refused", ""}.check(t, runPromptly(t, mustMake(t, o, spec)))
			slices.Sort(dialed)
			if diff := cmp.Diff(test.dialed, dialed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Credentials need not say their account; then the check has to.
func TestAccountIsNotKnown(t *testing.T) {
	spec := specItem("")
	spec.Names = health.BothNames
	want{health.Indeterminate, "credentials", "set account_id"}.check(t, runPromptly(t, mustMake(t, Options{
		AWS: func(ctx context.Context) (aws.Config, error) {
			config, err := someCredentials(ctx)
			config.HTTPClient = trusting()
			return config, err
		},
		Dial: resolveTo(t, map[string]string{"dynamodb.eu-west-1.amazonaws.com:443": serveDynamoDB(t, replying(200, `{}`))}),
	}, spec)))
}

// trusting is the client of an AWS configuration that believes every certificate.
func trusting() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.TLSClientConfig.InsecureSkipVerify = true
	})
}

// serveDynamoDB answers over TLS, and returns the address.
func serveDynamoDB(t testing.TB, handler http.Handler) string {
	certificate := newAuthority(t).sign(t, "dynamodb.eu-west-1.amazonaws.com", time.Now().Add(time.Hour))
	address, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, handler)
	return address
}

// TestBothNames is up only if both names of a region are, and tells which is not.
func TestBothNames(t *testing.T) {
	const regional, account = "dynamodb.eu-west-1.amazonaws.com:443", "111122223333.ddb.eu-west-1.amazonaws.com:443"
	good, bad := replying(200, `{}`), failing(500, serviceError+"InternalServerError", "")
	silent := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	tests := []struct {
		name              string
		regional, account http.Handler // nil: refused
		want              want
		blank             bool
	}{
		{"both", good, good, want{health.Pass, "ok", "the table answers"}, false},
		{"region's name refused", nil, good, want{health.Fail, "refused", "by the region's name: connecting to"}, false},
		{"account's name refused", good, nil, want{health.Fail, "refused", "by the account's name: connecting to"}, false},
		{"region's name fails", bad, good, want{health.Fail, "status", "by the region's name: status 500"}, false},
		{"account's name fails", good, bad, want{health.Fail, "status", "by the account's name: status 500"}, false},
		{"account's name cannot be judged", good, failing(400, commonError+"AccessDeniedException", ""), want{health.Indeterminate, "access_denied", "by the account's name: "}, false},
		{"one fails, the other cannot be judged", failing(400, commonError+"AccessDeniedException", ""), bad, want{health.Fail, "status", "by the account's name: "}, false},
		{"one throttles", failing(400, commonError+"ThrottlingException", ""), good, want{health.Pass, "throttled", "by the region's name: "}, false},
		{"one silent", good, silent, want{health.Fail, "timeout", "by the account's name: timeout"}, false},
		{"both silent", silent, silent, want{health.Fail, "timeout", "by the region's name: timeout"}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			servers := map[string]string{}
			for name, handler := range map[string]http.Handler{regional: test.regional, account: test.account} {
				servers[name] = refusing(t)
				if handler != nil {
					servers[name] = serveDynamoDB(t, handler)
				}
			}
			spec := specItem("")
			spec.Names, spec.AccountID = health.BothNames, "111122223333"
			probe := mustMake(t, Options{
				Dial: resolveTo(t, servers),
				AWS: func(ctx context.Context) (aws.Config, error) {
					config, err := someCredentials(ctx)
					config.HTTPClient = trusting()
					return config, err
				},
			}, spec)
			var got health.Result
			for timeout := time.Second; timeout < patience; timeout *= 4 { // a busy machine may get no further in the first
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				got = probe(ctx)
				cancel()
				if got.Verdict == test.want.verdict && got.Reason == test.want.reason && strings.Contains(got.Detail, test.want.detail) {
					break
				}
			}
			test.want.check(t, got)
			if got.Blank != test.blank {
				t.Errorf("blank is %t", got.Blank)
			}
		})
	}
}

func TestConsistentRead(t *testing.T) {
	server := newStandIn(t, replying(200, `{}`))
	spec := specItem(server.URL)
	spec.Consistent = true
	want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{AWS: someCredentials}, spec)))
	if body := server.last.Load().Body; !strings.Contains(body, `"ConsistentRead":true`) {
		t.Error(body)
	}
}

// specWrite reads an item of the app's and writes one of its own.
func specWrite(endpoint string) *health.DynamoDB {
	spec := specItem(endpoint)
	spec.Consistent = true
	spec.Write = health.ItemKey(spec.Key, spec.Region, "gslb-1")
	return spec
}

// TestWrite has a check write what is its own and nothing else.
func TestWrite(t *testing.T) {
	table, endpoint := newReplica(t)
	probe := mustMake(t, Options{AWS: someCredentials}, specWrite(endpoint))
	for range 2 {
		want{health.Pass, "ok", "the table answers, without such an item, and takes writes"}.check(t, runPromptly(t, probe))
	}
	if got := slices.Collect(maps.Keys(table.items)); !slices.Equal(got, []string{"123/eu-west-1/gslb-1"}) {
		t.Errorf("items %v", got)
	}
	requests := slices.Clone(table.requests)
	slices.Sort(requests)
	if !slices.Equal(requests, []string{"GetItem", "GetItem", "PutItem", "PutItem"}) {
		t.Errorf("requests %v", requests)
	}

	app := map[string]any{"id": map[string]any{"S": "123/eu-west-1/gslb-1"}, "order": map[string]any{"N": "7"}}
	table.items["123/eu-west-1/gslb-1"] = app
	want{health.Indeterminate, "conflict", "writing: table YourAppTable has an item of the app's"}.check(t, runPromptly(t, probe))
	if diff := cmp.Diff(app, table.items["123/eu-west-1/gslb-1"]); diff != "" {
		t.Error("the app's item was replaced:", diff)
	}
}

// TestWriteVerdicts is the table of how a write may end, beside a read that passes.
func TestWriteVerdicts(t *testing.T) {
	tests := []struct {
		name  string
		reply http.HandlerFunc
		want  want
	}{
		{"written", replying(200, `{}`), want{health.Pass, "ok", "takes writes"}},
		{"another region writes the same", failing(400, serviceError+"ReplicatedWriteConflictException", ""), want{health.Pass, "ok", "takes writes"}},
		{"throttled", failing(400, serviceError+"ProvisionedThroughputExceededException", "slow down"), want{health.Pass, "throttled", "writing: "}},
		{"no quorum", failing(500, serviceError+"InternalServerError", ""), want{health.Fail, "status", "writing: status 500"}},
		{"closes", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want{health.Fail, "closed", "writing: "}},
		{"answers with an item", replying(200, `{"Item":{"id":{"S":"123"}}}`), want{health.Fail, "protocol", "writing: this is not DynamoDB"}},
		{"may not", failing(400, commonError+"AccessDeniedException", ""), want{health.Indeterminate, "access_denied", "writing: these credentials lack a permission: allow dynamodb:PutItem on table/YourAppTable in eu-west-1"}},
		{"wrong key", failing(400, commonError+"ValidationException", ""), want{health.Indeterminate, "validation", "writing: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table, endpoint := newReplica(t)
			table.before = func(action string, w http.ResponseWriter, r *http.Request) bool {
				if action == "PutItem" {
					test.reply(w, r)
				}
				return action == "PutItem"
			}
			test.want.check(t, runPromptly(t, mustMake(t, Options{AWS: someCredentials}, specWrite(endpoint))))
		})
	}
}

// A trace tells whose each step is, and hides the secrets of all calls.
func TestTraceOfSeveralCalls(t *testing.T) {
	_, endpoint := newReplica(t)
	probe := mustMake(t, Options{AWS: withSource(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "verysecret", SessionToken: "sessiontoken", Source: "test"}, nil
	})}, specWrite(endpoint))
	labels := map[string]int{}
	ctx := WithTrace(t.Context(), func(s Step) {
		label, _, _ := strings.Cut(s.Text, ": ")
		labels[label]++
		if text, _ := json.Marshal(s); strings.Contains(string(text), "AKIDEXAMPLE") || strings.Contains(string(s.Data), "sessiontoken") {
			t.Errorf("a step shows a secret: %s %s", text, s.Data)
		}
	})
	want{health.Pass, "ok", ""}.check(t, probe(ctx))
	if len(labels) != 2 || labels["reading"] < 4 || labels["writing"] < 4 {
		t.Errorf("steps by label: %v", labels)
	}
}

// region is what one region of a table says in [TestRefusals].
type region struct {
	probe health.Probe
	says  http.HandlerFunc
}

// TestRefusals has the regions of a table say different things in turn. What one alone refuses is its own
// fault; what all refuse is that of this host.
func TestRefusals(t *testing.T) {
	good := replying(200, `{}`)
	denied := failing(400, commonError+"AccessDeniedException", "")
	expired := failing(400, commonError+"ExpiredTokenException", "")
	clock := failing(400, commonError+"InvalidSignatureException", "Signature expired: it is later")
	broken := failing(500, serviceError+"InternalServerError", "")
	throttled := failing(400, commonError+"ThrottlingException", "")
	missing := failing(400, serviceError+"ResourceNotFoundException", "")
	type turn struct {
		region string
		says   http.HandlerFunc
		want   string // verdict and reason
	}
	const ours, its = "indeterminate access_denied", "fail access_denied"
	tests := []struct {
		name  string
		turns []turn
	}{
		{"one region alone", []turn{{"us", denied, ours}, {"us", denied, ours}, {"us", denied, ours}}},
		{"one of two", []turn{{"eu", good, "pass ok"}, {"us", denied, ours}, {"eu", good, "pass ok"}, {"us", denied, its}}},
		{"what was said before the first refusal does not count", []turn{{"eu", good, "pass ok"}, {"us", denied, ours}, {"us", denied, ours}}},
		{"what was said counts once", []turn{{"us", denied, ours}, {"eu", good, "pass ok"}, {"us", denied, its}, {"us", denied, ours}, {"eu", good, "pass ok"}, {"us", denied, its}}},
		{"all refuse", []turn{{"us", denied, ours}, {"eu", denied, ours}, {"us", denied, ours}, {"eu", denied, ours}, {"us", denied, ours}, {"eu", denied, ours}}},
		{"all refuse, one later", []turn{{"us", denied, ours}, {"eu", good, "pass ok"}, {"us", denied, its}, {"eu", denied, ours}, {"us", denied, ours}, {"eu", denied, ours}}},
		{"one of three", []turn{{"us", denied, ours}, {"eu", good, "pass ok"}, {"ap", good, "pass ok"}, {"us", denied, its}}},
		{"two of three", []turn{{"us", denied, ours}, {"eu", denied, ours}, {"ap", good, "pass ok"}, {"us", denied, ours}, {"eu", denied, ours}}},
		{"an acceptance between two refusals", []turn{{"us", denied, ours}, {"eu", good, "pass ok"}, {"us", good, "pass ok"}, {"eu", good, "pass ok"}, {"us", denied, ours}}},
		{"expired in one region", []turn{{"us", expired, "indeterminate credentials"}, {"eu", good, "pass ok"}, {"us", expired, "fail credentials"}}},
		{"clock of one region", []turn{{"us", clock, "indeterminate clock"}, {"eu", good, "pass ok"}, {"us", clock, "fail clock"}}},
		{"a broken region says nothing", []turn{{"us", denied, ours}, {"eu", broken, "fail status"}, {"us", denied, ours}}},
		{"a throttling region accepts", []turn{{"us", denied, ours}, {"eu", throttled, "pass throttled"}, {"us", denied, its}}},
		{"a table that is missing is the operator's to judge", []turn{{"us", missing, "indeterminate missing_table"}, {"eu", good, "pass ok"}, {"us", missing, "indeterminate missing_table"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			regions := map[string]*region{}
			maker := New(Options{AWS: someCredentials})
			for _, name := range []string{"us", "eu", "ap"} {
				r := new(region)
				spec := specItem(newStandIn(t, func(w http.ResponseWriter, request *http.Request) { r.says(w, request) }).URL)
				spec.Region = name
				if name == "ap" { // some write the table's name out
					spec.Table = "arn:aws:dynamodb:ap:111122223333:table/" + spec.Table
				}
				var err error
				if r.probe, err = maker(health.Target{ID: health.TargetID(name), Spec: spec}); err != nil {
					t.Fatal(err)
				}
				regions[name] = r
			}
			for i, turn := range test.turns {
				r := regions[turn.region]
				r.says = turn.says
				got := runPromptly(t, r.probe)
				if text := got.Verdict.String() + " " + got.Reason; text != turn.want {
					t.Errorf("turn %d, %s: %s (%s), want %s", i, turn.region, text, got.Detail, turn.want)
				}
				if got.Verdict == health.Fail && got.Reason != "status" && !strings.Contains(got.Detail, "us refuses what other regions accept: ") {
					t.Errorf("turn %d: %s", i, got.Detail)
				}
			}
		})
	}
}

// Regions of other tables, and what is asked of them otherwise, say nothing.
func TestRefusalsAreComparedAlike(t *testing.T) {
	denied := newStandIn(t, failing(400, commonError+"AccessDeniedException", ""))
	good, _ := newReplica(t)
	accepting := newStandIn(t, good.serve)
	alike := func(s *health.DynamoDB) {}
	tests := []struct {
		name   string
		change func(*health.DynamoDB)
		want   health.Verdict
	}{
		{"alike", alike, health.Fail},
		{"another table", func(s *health.DynamoDB) { s.Table = "Other" }, health.Indeterminate},
		{"it is written", func(s *health.DynamoDB) { s.Write = health.ItemKey(s.Key, "w") }, health.Indeterminate},
		{"it is read consistently", func(s *health.DynamoDB) { s.Consistent = true }, health.Indeterminate},
		{"the same region", func(s *health.DynamoDB) { s.Region = "eu-west-1" }, health.Indeterminate},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			maker := New(Options{AWS: someCredentials})
			other := specItem(accepting.URL)
			other.Region = "us-east-1"
			test.change(other)
			refused, err := maker(health.Target{ID: "eu", Spec: specItem(denied.URL)})
			accepted, err2 := maker(health.Target{ID: "us", Spec: other})
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			runPromptly(t, refused)
			want{health.Pass, "ok", ""}.check(t, runPromptly(t, accepted))
			want{test.want, "access_denied", ""}.check(t, runPromptly(t, refused))
		})
	}
}
