package probe

import (
	"strings"
	"testing"

	"gslb/health"
)

// result is what Prometheus answers.
func result(kind, value string) string {
	return `{"status":"success","data":{"resultType":"` + kind + `","result":` + value + `}}`
}

// within is a query whose result has limits; both 0: none.
func within(page string, least, most float64) *health.Prometheus {
	spec := &health.Prometheus{Page: spec200(page), Query: "up"}
	if least != 0 || most != 0 {
		spec.Min, spec.Max = &least, &most
	}
	return spec
}

func TestPrometheus(t *testing.T) {
	t.Parallel()
	one := func(value string) string {
		return result("vector", `[{"metric":{"__name__":"up","job":"app"},"value":[1.5,"`+value+`"]}]`)
	}
	two := func(a, b string) string {
		return result("vector", `[{"metric":{},"value":[1,"`+a+`"]},{"metric":{"a":"b"},"value":[1,"`+b+`"]}]`)
	}
	for name, test := range map[string]struct {
		status, body string
		want         want
	}{
		"within":          {"200 OK", one("1"), want{health.Pass, "ok", `1 of up{job="app"}`}},
		"below":           {"200 OK", one("0.5"), want{health.Fail, "value", `0.5 of up{job="app"}, want from 1 to 2`}},
		"above":           {"200 OK", one("+Inf"), want{health.Fail, "value", "want from 1 to 2"}},
		"a scalar":        {"200 OK", result("scalar", `[1,"2"]`), want{health.Pass, "ok", "2"}},
		"both within":     {"200 OK", two("1", "2"), want{health.Pass, "ok", "2 series, each from 1 to 2"}},
		"the second not":  {"200 OK", two("1", "3"), want{health.Fail, "value", `3 of {a="b"}`}},
		"not a number":    {"200 OK", one("NaN"), want{health.Indeterminate, "value", "NaN of up"}},
		"NaN and outside": {"200 OK", two("NaN", "3"), want{health.Fail, "value", ""}},
		"nothing":         {"200 OK", result("vector", `[]`), want{health.Indeterminate, "absent", "the query finds no series"}},
		"a matrix":        {"200 OK", result("matrix", `[]`), want{health.Indeterminate, "query", "the query gives a matrix"}},
		"a histogram":     {"200 OK", result("vector", `[{"metric":{},"histogram":[1,{}]}]`), want{health.Indeterminate, "query", "want no histograms"}},
		"odd values":      {"200 OK", result("vector", `[{"metric":{},"value":[1,2]}]`), want{health.Indeterminate, "query", "a value is not a number"}},
		"no pair":         {"200 OK", result("scalar", `["1"]`), want{health.Indeterminate, "query", "not a time and a number"}},
		"a bad query":     {"400 Bad Request", `{"status":"error","errorType":"bad_data","error":"1:3: parse error"}`, want{health.Indeterminate, "query", "status 400: bad_data: 1:3: parse error"}},
		"overloaded":      {"503 Service Unavailable", "busy", want{health.Indeterminate, "query", `status 503: this is not Prometheus: got "busy"`}},
		"refused":         {"401 Unauthorized", "", want{health.Indeterminate, "credentials", "status 401"}},
		"a web page":      {"200 OK", "<html>", want{health.Indeterminate, "query", `this is not Prometheus: got "<html>"`}},
		"too long":        {"200 OK", strings.Repeat(" ", maxQueried+1), want{health.Indeterminate, "query", "longer than 1048576 bytes"}},
		"closes early":    {"200 OK\r\nContent-Length: 99", "{", want{health.Indeterminate, "closed", "Prometheus gave no result: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := serve(t, "127.0.0.1", answer("HTTP/1.1 "+test.status+"\r\n\r\n"+test.body))
			test.want.check(t, runPromptly(t, mustMake(t, Options{}, within("http://"+page, 1, 2))))
		})
	}
	want{health.Indeterminate, "refused", "Prometheus gave no result: "}.check(t, runPromptly(t, mustMake(t, Options{}, within("http://"+refusing(t), 1, 2))))
}

func TestPrometheusAbsent(t *testing.T) {
	t.Parallel()
	page := serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n"+result("vector", "[]")))
	for _, verdict := range []health.Verdict{health.Pass, health.Fail, health.Indeterminate} {
		spec := within("http://"+page, 1, 2)
		spec.Absent = verdict
		if got := runPromptly(t, mustMake(t, Options{}, spec)); got.Verdict != verdict {
			t.Errorf("got %+v, want %v", got, verdict)
		}
	}
}

func TestPrometheusLoad(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]*health.Load{
		`[{"metric":{},"value":[1,"72.5"]}]`:                                   {Value: 72.5},
		`[{"metric":{},"value":[1,"-1"]}]`:                                     nil,
		`[{"metric":{},"value":[1,"1"]},{"metric":{"a":"b"},"value":[1,"1"]}]`: nil,
	} {
		spec := within("http://"+serve(t, "127.0.0.1", answer("HTTP/1.1 200 OK\r\n\r\n"+result("vector", value))), 0, 0)
		spec.Load = health.LoadFrom{Source: "value", Most: 1000}
		got := runPromptly(t, mustMake(t, Options{}, spec))
		var load *health.Load
		if got.Notes != nil {
			load = got.Notes.Load
		}
		if got.Verdict != health.Pass || (load == nil) != (want == nil) || load != nil && *load != *want {
			t.Errorf("%s: %+v with %v, want %v", value, got, load, want)
		}
	}
}

// Whatever comes back: no panic, and no pass or fail without a result.
func FuzzPrometheus(f *testing.F) {
	for _, body := range []string{result("vector", `[{"metric":{"a":"b"},"value":[1,"1"]}]`), result("scalar", `[1,"NaN"]`), `{"status":"error"}`, result("vector", "null")} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := seriesOf(body)
		if err != nil {
			return
		}
		got := (&prometheusProbe{spec: within("http://192.0.2.1/", 1, 2)}).compare(all)
		if got.Reason == "" || len(all) == 0 && got.Verdict != health.Indeterminate {
			t.Errorf("%+v", got)
		}
	})
}
