package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gslb/health"
)

// maxQueried bounds what is read of the answer to a query.
const maxQueried = 1 << 20

// prometheusProbe asks a Prometheus server (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries).
type prometheusProbe struct {
	spec *health.Prometheus
	page health.Probe
}

func newPrometheus(n *network, spec *health.Prometheus) (health.Probe, error) {
	p := &prometheusProbe{spec: spec}
	var err error
	p.page, err = newPage(n, spec.Page, p.judge)
	return p.probe, err
}

// probe leaves a fail only where the query's result says so. A Prometheus that is down, or does not like the
// query, says nothing of what it watches: the monitoring is not the app.
//
//	the result                          verdict
//	each series is within the range     pass
//	one is not                          fail
//	one is not a number (NaN)           indeterminate, unless another is outside
//	there is no series                  as the check says
//	no result: whatever the reason      indeterminate
func (p *prometheusProbe) probe(ctx context.Context) health.Result {
	r := p.page(ctx)
	if r.Verdict == health.Fail && r.Reason != "value" && r.Reason != "absent" {
		r.Verdict = health.Indeterminate
		r.Detail = "Prometheus gave no result: " + r.Detail
	}
	return r
}

// queried is the answer to a query.
type queried struct {
	Status string `json:"status"`
	Type   string `json:"errorType"`
	Error  string `json:"error"`
	Data   struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// series is one series of a result, and its value.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  instant           `json:"value"`
}

// instant is a value and its time: [1435781451.781,"1"].
type instant struct {
	value float64
	is    bool
}

// UnmarshalJSON reads it.
func (i *instant) UnmarshalJSON(data []byte) error {
	var pair []any
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errors.New("a value is not a time and a number")
	}
	text, ok := pair[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("a value is not a number")
	}
	i.value, i.is = value, true
	return nil
}

// judge judges the response to a query. Its fails for other reasons than the values are not to stay: see probe.
func (p *prometheusProbe) judge(ctx context.Context, resp *response) health.Result {
	body, err := io.ReadAll(io.LimitReader(resp, maxQueried+1))
	switch {
	case err != nil:
		return classify(ctx, err)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return indeterminate("credentials", "status %d: Prometheus refuses this server; see auth of the check", resp.StatusCode)
	case len(body) > maxQueried:
		return indeterminate("query", "the result is longer than %d bytes", maxQueried)
	}
	all, err := seriesOf(body)
	if err != nil {
		return indeterminate("query", "status %d: %v", resp.StatusCode, err)
	}
	return p.compare(all)
}

// seriesOf reads the result of a query: a vector, or a scalar.
func seriesOf(body []byte) ([]series, error) {
	var answer queried
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status == "" {
		return nil, fmt.Errorf("this is not Prometheus: got %q", body[:min(len(body), shownBody)])
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", answer.Type, answer.Error)
	}
	var all []series
	var err error
	switch answer.Data.Type {
	case "vector":
		err = json.Unmarshal(answer.Data.Result, &all)
	case "scalar":
		all = make([]series, 1)
		err = json.Unmarshal(answer.Data.Result, &all[0].Value)
	default:
		return nil, fmt.Errorf("the query gives a %s, want a vector or a scalar", answer.Data.Type)
	}
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(s series) bool { return !s.Value.is }) {
		return nil, errors.New("a series has no plain value; want no histograms")
	}
	return all, nil
}

// compare judges the values.
func (p *prometheusProbe) compare(all []series) health.Result {
	if len(all) == 0 {
		const detail = "the query finds no series"
		switch p.spec.Absent {
		case health.Fail:
			return fail("absent", detail)
		case health.Pass:
			return pass(detail)
		}
		return indeterminate("absent", detail)
	}
	odd := ""
	for _, s := range all {
		switch v := s.Value.value; {
		case math.IsNaN(v):
			odd = s.String()
		case p.spec.Min != nil && v < *p.spec.Min, p.spec.Max != nil && v > *p.spec.Max:
			return fail("value", "%s, want %s", s, p.spec.Range())
		}
	}
	if odd != "" {
		return indeterminate("value", "%s, which is no number", odd)
	}
	if len(all) > 1 {
		return withLoad(pass(fmt.Sprintf("%d series, each %s", len(all), p.spec.Range())), p.spec.Load, "", errors.New("the query finds several series"))
	}
	return withLoad(pass(all[0].String()), p.spec.Load, strconv.FormatFloat(all[0].Value.value, 'f', -1, 64), nil)
}

// String is the value, and which series has it.
func (s series) String() string {
	value := strconv.FormatFloat(s.Value.value, 'g', 6, 64)
	if len(s.Metric) == 0 {
		return value
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(s.Metric)) {
		if name != "__name__" {
			labels = append(labels, fmt.Sprintf("%s=%q", name, s.Metric[name]))
		}
	}
	return fmt.Sprintf("%s of %s{%s}", value, s.Metric["__name__"], strings.Join(labels, ","))
}
