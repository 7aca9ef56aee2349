package probe

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"gslb/health"
)

// replyWith dials a connection at whose other end raw bytes come back, whatever is sent.
func replyWith(raw []byte) dialer {
	return pipeTo(func(c net.Conn) {
		go io.Copy(io.Discard, c)
		c.Write(raw)
	})
}

// sound reports a result that breaks the contract.
func sound(t *testing.T, got health.Result) {
	t.Helper()
	if got.Reason == "" || got.Reason == "timeout" || got.Reason == "local" || got.Reason == "canceled" {
		t.Errorf("reason %q: %s", got.Reason, got.Detail)
	}
	if bytes.ContainsAny([]byte(got.Detail), "\x00\x1b\r\n") {
		t.Errorf("the detail is not fit for a log: %q", got.Detail)
	}
}

func FuzzHTTPResponse(f *testing.F) {
	for _, raw := range []string{
		"", "HTTP/1.1 200 OK\r\n\r\nok", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno", "HTTP/1.0 200\n\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: //192.0.2.1:8080/x\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nA: \x1b[31m\r\n",
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		spec := specBody("http://192.0.2.1/health", "ok")
		spec.FollowRedirects = true
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		got := mustMake(t, Options{Dial: replyWith(raw)}, spec)(ctx)
		sound(t, got)
		inChunks := bytes.Contains(bytes.ToLower(raw), []byte("chunked"))
		if got.Verdict == health.Pass && !bytes.Contains(raw, []byte("ok")) && !inChunks {
			t.Errorf("it passed without a match: %s", got.Detail)
		}
	})
}

// FuzzResponse holds the reading of a response to net/http's: what that takes is read alike
// here, where more is taken.
func FuzzResponse(f *testing.F) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\n\r\nok", "HTTP/1.0 503\nContent-Length: 3\n\nno", "HTTP/1.1 204 No Content\r\nX-A:\r\n b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nok and more",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-A: b\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /\r\nLocation: /2\r\n\r\n",
	} {
		f.Add([]byte(raw), false)
		f.Add([]byte(raw), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		r := bufio.NewReader(bytes.NewReader(raw))
		got, gotErr := readResponse(r, method)
		var body []byte
		if gotErr == nil {
			if body, gotErr = io.ReadAll(got.Body); gotErr == nil && len(body) > len(raw) {
				t.Fatalf("a body of %d bytes out of %d", len(body), len(raw))
			}
		}

		theirs := bufio.NewReader(bytes.NewReader(raw))
		want, err := http.ReadResponse(theirs, &http.Request{Method: method})
		for err == nil && want.StatusCode < 200 && want.StatusCode != http.StatusSwitchingProtocols {
			want, err = http.ReadResponse(theirs, &http.Request{Method: method})
		}
		if err != nil || want.StatusCode < 100 {
			return
		}
		if !want.ProtoAtLeast(1, 1) && bytes.Contains(bytes.ToLower(raw), []byte("transfer-encoding")) {
			return // net/http does not look at it there; curl and HAProxy do
		}
		wantBody, err := io.ReadAll(want.Body)
		if err != nil {
			return
		}
		if gotErr != nil {
			t.Fatalf("net/http reads status %d and %q, here: %v", want.StatusCode, wantBody, gotErr)
		}
		if got.StatusCode != want.StatusCode || !bytes.Equal(body, wantBody) || got.Header.Get("Location") != want.Header.Get("Location") {
			t.Errorf("got status %d, %q, location %q\nwant %d, %q, location %q", got.StatusCode, body, got.Header.Get("Location"),
				want.StatusCode, wantBody, want.Header.Get("Location"))
		}
	})
}

func FuzzDynamoDBResponse(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "[]", `{"Item":{"id":{"S":"123"}}}`, `{"Item":{"id":{"S":`, `{"Item":{"id":7}}`, `{} {}`, `{"Item":null}`, "\x00",
	} {
		f.Add(200, []byte(body))
	}
	f.Add(400, []byte(`{"__type":"com.amazon.coral.service#ThrottlingException","message":"Rate exceeded"}`))
	f.Add(400, []byte(`{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":7}`))
	f.Add(500, []byte(`{"__type":"x#InternalServerError","Message":"a\nb"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		raw := fmt.Appendf(nil, "HTTP/1.1 %d X\r\nContent-Type: %s\r\nX-Amzn-Requestid: X\r\nContent-Length: %d\r\n\r\n%s", status, replyType, len(body), body)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		got := mustMake(t, Options{Dial: replyWith(raw), AWS: someCredentials}, specItem("http://192.0.2.1:8000"))(ctx)
		sound(t, got)
		object := bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
		if got.Verdict == health.Pass && (!object || status > 299 && got.Reason != "throttled") {
			t.Errorf("it passed with status %d and %q: %s %s", status, body, got.Reason, got.Detail)
		}
	})
}

// FuzzHeartbeat answers the writing and the reading of heartbeats. What is told fits what was sent.
func FuzzHeartbeat(f *testing.F) {
	item := func(id, counter string) string {
		return `{"id":{"S":"beat/` + id + `"},"gslb_counter":{"N":"` + counter + `"}}`
	}
	for _, replies := range [][2]string{
		{"{}", `{"Responses":{"YourAppTable":[` + item("eu-west-1", "18446744073709551615") + `,` + item("ap-south-1", "7") + `]},"UnprocessedKeys":{}}`},
		{"{}", `{"Responses":{"YourAppTable":[]}}`}, {"{}", `{"Responses":{}}`}, {"{}", `{"Responses":null}`}, {"null", "[]"}, {`{"Attributes":{}}`, "{}"},
		{"{}", `{"Responses":{"YourAppTable":[` + item("eu-west-1", "-1") + `],"Other":[` + item("eu-west-1", "1e3") + `]}}`},
		{"{}", `{"Responses":{"YourAppTable":[{"id":{"S":"beat/eu-west-1"},"gslb_counter":{"L":[]}},null,{"id":{"B":"AA=="}}]}}`},
		{"{}", `{"Responses":{},"UnprocessedKeys":{"YourAppTable":{"Keys":[{"id":{"S":"beat/eu-west-1"}}]}}}`},
	} {
		f.Add([]byte(replies[0]), []byte(replies[1]))
	}
	f.Fuzz(func(t *testing.T, put, batch []byte) {
		replies := [][]byte{put, batch}
		o := Options{AWS: someCredentials, Heartbeats: new(listener), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			body := replies[0]
			replies = replies[1:]
			return replyWith(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", replyType, len(body), body))(ctx, network, address)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		got := mustMake(t, o, specHeartbeat("http://192.0.2.1:8000"))(ctx)
		sound(t, got)
		seen := 0
		for _, told := range o.Heartbeats.(*listener).take() {
			switch {
			case strings.HasSuffix(told, " wrote 1: ok"):
				if strings.Trim(string(put), "{} \t\r\n") != "" {
					t.Errorf("written, by %q", put)
				}
			case strings.HasSuffix(told, " in us-east-1"):
				seen++
			}
		}
		if seen > 2 || got.Verdict == health.Pass && seen != 2 {
			t.Errorf("%d regions were seen in %q: %s %s", seen, batch, got.Reason, got.Detail)
		}
	})
}
