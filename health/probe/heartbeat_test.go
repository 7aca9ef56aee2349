package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"gslb/health"
)

// replica is a table of DynamoDB that can be written and read, as far as the probes do.
type replica struct {
	mu       sync.Mutex
	items    map[string]map[string]any // by the value of "id"
	requests []string                  // what was asked for, without the namespace
	// before may answer in place of the table.
	before func(action string, w http.ResponseWriter, r *http.Request) bool
}

func newReplica(t testing.TB) (*replica, string) {
	r := &replica{items: map[string]map[string]any{}}
	return r, newStandIn(t, r.serve).URL
}

func (r *replica) serve(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, action, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	r.requests = append(r.requests, action)
	if r.before != nil && r.before(action, w, request) {
		return
	}
	var body struct {
		Item, Key                 map[string]any
		ConditionExpression       string
		ExpressionAttributeValues map[string]map[string]string
		RequestItems              map[string]struct{ Keys []map[string]any }
	}
	if err := json.NewDecoder(request.Body).Decode(&body); err != nil {
		failing(400, commonError+"SerializationException", err.Error())(w, request)
		return
	}
	idOf := func(key map[string]any) string { return key["id"].(map[string]any)["S"].(string) }
	var answer any = struct{}{}
	switch action {
	case "PutItem":
		old := r.items[idOf(body.Item)]
		if had, ok := old[counterAttribute].(map[string]any); ok && strings.Contains(body.ConditionExpression, "#n < :n") {
			before, _ := strconv.ParseUint(had["N"].(string), 10, 64)
			if next, _ := strconv.ParseUint(body.ExpressionAttributeValues[":n"]["N"], 10, 64); next <= before {
				failing(400, serviceError+"ConditionalCheckFailedException", "The conditional request failed")(w, request)
				return
			}
		}
		if strings.Contains(body.ConditionExpression, "attribute_exists(#t)") && old != nil && old[timeAttribute] == nil {
			failing(400, serviceError+"ConditionalCheckFailedException", "The conditional request failed")(w, request)
			return
		}
		r.items[idOf(body.Item)] = body.Item
	case "GetItem":
		if item := r.items[idOf(body.Key)]; item != nil {
			answer = map[string]any{"Item": item}
		}
	case "BatchGetItem":
		found := map[string][]any{}
		for table, wanted := range body.RequestItems {
			found[table] = []any{}
			for _, key := range slices.Backward(wanted.Keys) { // in no order that was asked for
				if item := r.items[idOf(key)]; item != nil {
					found[table] = append(found[table], item)
				}
			}
		}
		answer = map[string]any{"Responses": found, "UnprocessedKeys": struct{}{}}
	}
	text, _ := json.Marshal(answer)
	replying(200, string(text))(w, request)
}

// put makes a region's heartbeat.
func (r *replica) put(id string, counter uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items[id] = map[string]any{"id": map[string]any{"S": id}, counterAttribute: map[string]any{"N": fmt.Sprint(counter)}}
}

// listener keeps what it is told, without times.
type listener struct {
	mu   sync.Mutex
	next uint64
	told []string
}

func (l *listener) Next(group, region string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

func (l *listener) tell(began, ended time.Time, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if began.IsZero() || ended.Before(began) {
		format = "in no time: " + format
	}
	l.told = append(l.told, fmt.Sprintf(format, args...))
}

func (l *listener) Wrote(group, region string, counter uint64, began, ended time.Time, err error) {
	l.tell(began, ended, "%s: %s wrote %d: %s", group, region, counter, reasonIn(err))
}

func (l *listener) Saw(group, from, to string, counter uint64, began, ended time.Time) {
	l.tell(began, ended, "%s: %s is %d in %s", group, from, counter, to)
}

func (l *listener) Unread(group, to string, began, ended time.Time, err error) {
	l.tell(began, ended, "%s: %s unread: %s", group, to, reasonIn(err))
}

// reasonIn is the verdict and the reason of a call that failed.
func reasonIn(err error) string {
	var failed *CallError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &failed):
		return failed.Result.Verdict.String() + " " + failed.Result.Reason
	}
	return "no CallError: " + err.Error()
}

// take is what was told since, sorted.
func (l *listener) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told = nil
	slices.Sort(told)
	return told
}

// specHeartbeat is that of us-east-1 in a group of three.
func specHeartbeat(endpoint string) *health.Heartbeat {
	items := map[string]map[string]health.KeyAttribute{}
	for _, region := range []string{"us-east-1", "eu-west-1", "ap-south-1"} {
		items[region] = map[string]health.KeyAttribute{"id": {Value: "beat/" + region}}
	}
	return &health.Heartbeat{Group: "orders", Table: "YourAppTable", Region: "us-east-1", Endpoint: endpoint, Items: items}
}

func TestHeartbeat(t *testing.T) {
	table, endpoint := newReplica(t)
	heard := new(listener)
	probe := mustMake(t, Options{AWS: someCredentials, Heartbeats: heard}, specHeartbeat(endpoint))
	steps := []struct {
		before func()
		result want
		told   []string
	}{
		{nil, want{health.Pass, "ok", "read those of 2 other regions"},
			[]string{"orders: ap-south-1 is 0 in us-east-1", "orders: eu-west-1 is 0 in us-east-1", "orders: us-east-1 wrote 1: ok"}},
		{func() { table.put("beat/eu-west-1", 1<<63); table.put("beat/ap-south-1", 7) }, want{health.Pass, "ok", ""},
			[]string{"orders: ap-south-1 is 7 in us-east-1", "orders: eu-west-1 is 9223372036854775808 in us-east-1", "orders: us-east-1 wrote 2: ok"}},
		{func() { table.put("beat/us-east-1", 100) }, want{health.Indeterminate, "conflict", "another server writes under the same name"},
			[]string{"orders: ap-south-1 is 7 in us-east-1", "orders: eu-west-1 is 9223372036854775808 in us-east-1", "orders: us-east-1 wrote 3: indeterminate conflict"}},
	}
	for i, step := range steps {
		if step.before != nil {
			step.before()
		}
		step.result.check(t, runPromptly(t, probe))
		if diff := cmp.Diff(step.told, heard.take()); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
	}
	if got := table.items["beat/us-east-1"][counterAttribute]; !reflect.DeepEqual(got, map[string]any{"N": "100"}) {
		t.Errorf("an older heartbeat has replaced a later one: %v", got)
	}
	if got := table.items["beat/ap-south-1"][counterAttribute]; !reflect.DeepEqual(got, map[string]any{"N": "7"}) {
		t.Errorf("another region's heartbeat was written: %v", got)
	}
}

// What fails of the two calls is told, and the other is made nevertheless.
func TestHeartbeatFails(t *testing.T) {
	seen := []string{"orders: ap-south-1 is 7 in us-east-1", "orders: eu-west-1 is 0 in us-east-1"}
	tests := []struct {
		name   string
		action string // empty: any
		reply  http.HandlerFunc
		result want
		told   []string
	}{
		{"unwritable", "PutItem", failing(500, serviceError+"InternalServerError", ""), want{health.Fail, "status", "writing: status 500"},
			append(slices.Clone(seen), "orders: us-east-1 wrote 1: fail status")},
		{"may not write", "PutItem", failing(400, commonError+"AccessDeniedException", ""), want{health.Indeterminate, "access_denied", "writing: these credentials lack a permission: allow dynamodb:PutItem on table/YourAppTable in us-east-1"},
			append(slices.Clone(seen), "orders: us-east-1 wrote 1: indeterminate access_denied")},
		{"write lost against another region's", "PutItem", failing(400, serviceError+"ReplicatedWriteConflictException", "busy"), want{health.Indeterminate, "conflict", "another region writes the same item"},
			append(slices.Clone(seen), "orders: us-east-1 wrote 1: indeterminate conflict")},
		{"write throttled", "PutItem", failing(400, commonError+"ThrottlingException", ""), want{health.Fail, "throttled", "writing: "},
			append(slices.Clone(seen), "orders: us-east-1 wrote 1: fail throttled")},
		{"write answered with an item", "PutItem", replying(200, `{"Item":{}}`), want{health.Fail, "protocol", "this is not DynamoDB"},
			append(slices.Clone(seen), "orders: us-east-1 wrote 1: fail protocol")},
		{"unreadable", "BatchGetItem", failing(503, commonError+"ServiceUnavailableException", ""), want{health.Fail, "status", "reading: status 503"},
			[]string{"orders: us-east-1 unread: fail status", "orders: us-east-1 wrote 1: ok"}},
		{"may not read", "BatchGetItem", failing(400, commonError+"AccessDeniedException", ""), want{health.Indeterminate, "access_denied", "allow dynamodb:BatchGetItem"},
			[]string{"orders: us-east-1 unread: indeterminate access_denied", "orders: us-east-1 wrote 1: ok"}},
		{"read answered with nothing", "BatchGetItem", replying(200, `{}`), want{health.Fail, "protocol", "this is not DynamoDB"},
			[]string{"orders: us-east-1 unread: fail protocol", "orders: us-east-1 wrote 1: ok"}},
		{"one item left out", "BatchGetItem", replying(200, `{"Responses":{"YourAppTable":[{"id":{"S":"beat/ap-south-1"},"gslb_counter":{"N":"7"}}]},
			"UnprocessedKeys":{"YourAppTable":{"Keys":[{"id":{"S":"beat/eu-west-1"}}]}}}`), want{health.Fail, "throttled", "1 of 2 items"},
			[]string{"orders: ap-south-1 is 7 in us-east-1", "orders: us-east-1 unread: fail throttled", "orders: us-east-1 wrote 1: ok"}},
		{"counters of other kinds", "BatchGetItem", replying(200, `{"Responses":{"YourAppTable":[
			{"id":{"S":"beat/ap-south-1"},"gslb_counter":{"S":"7"}}, {"id":{"S":"beat/eu-west-1"},"gslb_counter":{"N":"-7.5"}}]}}`), want{health.Pass, "ok", ""},
			[]string{"orders: ap-south-1 is 0 in us-east-1", "orders: eu-west-1 is 0 in us-east-1", "orders: us-east-1 wrote 1: ok"}},
		{"no table", "", failing(400, serviceError+"ResourceNotFoundException", ""), want{health.Indeterminate, "missing_table", "writing: us-east-1 has no table YourAppTable"},
			[]string{"orders: us-east-1 unread: indeterminate missing_table", "orders: us-east-1 wrote 1: indeterminate missing_table"}},
		{"expired", "", failing(400, commonError+"ExpiredTokenException", ""), want{health.Indeterminate, "credentials", ""},
			[]string{"orders: us-east-1 unread: indeterminate credentials", "orders: us-east-1 wrote 1: indeterminate credentials"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table, endpoint := newReplica(t)
			table.put("beat/ap-south-1", 7)
			table.before = func(action string, w http.ResponseWriter, r *http.Request) bool {
				if test.action != "" && action != test.action {
					return false
				}
				test.reply(w, r)
				return true
			}
			heard := new(listener)
			probe := mustMake(t, Options{AWS: someCredentials, Heartbeats: heard}, specHeartbeat(endpoint))
			test.result.check(t, runPromptly(t, probe))
			if diff := cmp.Diff(test.told, heard.take()); diff != "" {
				t.Error(diff)
			}
			if want := []string{"PutItem", "BatchGetItem"}; !slices.Equal(table.requests, want) {
				t.Errorf("requests %v, want %v", table.requests, want)
			}
		})
	}
}

// A region that does not answer writes leaves half of the time for reading.
func TestHeartbeatReadsBesideHangingWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := new(listener)
		probe := mustMake(t, Options{AWS: someCredentials, Heartbeats: heard, Dial: pipeTo(func(conn net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "PutItem") {
				hang(conn)
				return
			}
			const body = `{"Responses":{"YourAppTable":[]}}`
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", replyType, len(body), body)
		})}, specHeartbeat("http://192.0.2.1:8000"))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		want{health.Fail, "timeout", "writing: timeout"}.check(t, probe(ctx))
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		if diff := cmp.Diff([]string{"orders: ap-south-1 is 0 in us-east-1", "orders: eu-west-1 is 0 in us-east-1", "orders: us-east-1 wrote 1: fail timeout"}, heard.take()); diff != "" {
			t.Error(diff)
		}
	})
}

// Without credentials, both directions are told to be unknown.
func TestHeartbeatWithoutCredentials(t *testing.T) {
	heard := new(listener)
	probe := mustMake(t, Options{AWS: func(context.Context) (aws.Config, error) { return aws.Config{}, errors.New("no settings") }, Heartbeats: heard}, specHeartbeat("http://192.0.2.1"))
	want{health.Indeterminate, "credentials", "no settings"}.check(t, runPromptly(t, probe))
	if diff := cmp.Diff([]string{"orders: us-east-1 unread: indeterminate credentials", "orders: us-east-1 wrote 1: indeterminate credentials"}, heard.take()); diff != "" {
		t.Error(diff)
	}
}

func TestMarks(t *testing.T) {
	table, endpoint := newReplica(t)
	marks := NewMarks(Options{AWS: someCredentials})
	mark := health.Mark{Table: "YourAppTable", Region: "us-east-1", Endpoint: endpoint, Key: map[string]health.KeyAttribute{"id": {Value: "mark"}}}
	if got, err := marks.Get(t.Context(), mark); got != "" || err != nil {
		t.Errorf("before there is a mark: %q, %v", got, err)
	}
	for _, value := range []string{"first", "second"} {
		if err := marks.Put(t.Context(), mark, value); err != nil {
			t.Fatal(err)
		}
		if got, err := marks.Get(t.Context(), mark); got != value || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, value)
		}
	}
	if !slices.Equal(slices.Sorted(maps.Keys(table.items)), []string{"mark"}) {
		t.Errorf("items %v", table.items)
	}

	table.before = func(action string, w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		if action == "GetItem" && !strings.Contains(string(body), `"ConsistentRead":true`) {
			t.Errorf("a mark is read by %s", body)
		}
		failing(400, commonError+"AccessDeniedException", "not\nyou")(w, r)
		return true
	}
	err := marks.Put(t.Context(), mark, "third")
	if got := reasonIn(err); got != "indeterminate access_denied" || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "allow dynamodb:PutItem") {
		t.Errorf("%s: %v", got, err)
	}
	if _, err := marks.Get(t.Context(), mark); reasonIn(err) != "indeterminate access_denied" {
		t.Error(err)
	}

	table.before = func(action string, w http.ResponseWriter, r *http.Request) bool {
		failing(400, serviceError+"ReplicatedWriteConflictException", "busy")(w, r)
		return true
	}
	if err := marks.Put(t.Context(), mark, "third"); reasonIn(err) != "indeterminate conflict" {
		t.Errorf("a mark that was not written: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	mark.Endpoint = "http://" + serve(t, "127.0.0.1", hang)
	if err := marks.Put(ctx, mark, "fourth"); reasonIn(err) != "fail timeout" {
		t.Error(err)
	}
	mark.Region = ""
	if err := marks.Put(t.Context(), mark, "fifth"); err == nil || !strings.Contains(err.Error(), "region: it is empty") {
		t.Error(err)
	}
}

// Heartbeats and marks use the name of the region that is asked for.
func TestNamesOfHeartbeats(t *testing.T) {
	for _, test := range []struct {
		dualStack, fips bool
		want            string
	}{
		{false, false, "dynamodb.us-east-1.amazonaws.com:443"},
		{true, false, "dynamodb.us-east-1.api.aws:443"},
		{false, true, "dynamodb-fips.us-east-1.amazonaws.com:443"},
		{true, true, "dynamodb-fips.us-east-1.api.aws:443"},
	} {
		var dialed []string
		o := Options{AWS: someCredentials, NameServers: noNameServers, Heartbeats: new(listener), Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = append(dialed, address)
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}}
		spec := specHeartbeat("")
		spec.DualStack, spec.FIPS = test.dualStack, test.fips
		want{health.Fail, "refused", ""}.check(t, runPromptly(t, mustMake(t, o, spec)))
		mark := health.Mark{Table: spec.Table, Region: spec.Region, DualStack: test.dualStack, FIPS: test.fips, Key: spec.Items[spec.Region]}
		if err := NewMarks(o).Put(t.Context(), mark, "x"); reasonIn(err) != "fail refused" {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{test.want, test.want, test.want}, dialed); diff != "" {
			t.Error(diff)
		}
	}
}
