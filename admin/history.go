package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"gslb/admin/api"
	"gslb/history"
	"gslb/steer"
)

// listHistory answers with an api.HistoryList.
func (s *Server) listHistory(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery, "pool", "q", "limit", "offset")
	if err != nil {
		return err
	}
	if s.options.History == nil {
		return api.NewProblem(api.Unavailable, "this server keeps no history")
	}
	return s.observed(r, func(m *moment, lent context.Context) error {
		f := filter{moment: m, selection: q.selection}
		asked := func(_ *moment, p *steer.PoolState) bool { return q.pool == "" || p.Pool.Name == q.pool }
		return answerList(s, lent, w, r, "history", made(f.pools(asked), m.newHistory), q)
	})
}

// newHistory is what has become of a pool.
func (m *moment) newHistory(p *steer.PoolState) api.History {
	r := m.history[p.Pool.Name]
	h := api.History{
		Pool: p.Pool.Name, Status: p.Status, Slots: []api.HistorySlot{}, Latency: []api.MinuteLatency{},
		Day: newDowntime(r.Day), Month: newDowntime(r.Month),
	}
	var strip []history.Slot
	if r.Strip != nil {
		strip = r.Strip()
	}
	for i, slot := range strip {
		if i == 0 {
			h.From = slot.Start
		}
		if slot.Down > 0 || slot.Unknown > 0 || slot.Turns > 0 {
			h.Slots = append(h.Slots, api.HistorySlot{Start: slot.Start, Down: slot.Down.Seconds(), Unknown: slot.Unknown.Seconds(), Turns: slot.Turns})
		}
	}
	if r.P50 > 0 {
		h.P50, h.P99 = new(r.P50.Seconds()), new(r.P99.Seconds())
	}
	if r.Pool != "" && r.Failed >= 0 {
		h.Failed = new(r.Failed)
	}
	minute := m.now.UTC().Truncate(history.SparkTime)
	for i, took := range slices.Backward(r.Spark) {
		if took >= 0 {
			h.Latency = append(h.Latency, api.MinuteLatency{Start: minute.Add(time.Duration(i-len(r.Spark)+1) * history.SparkTime), Median: took.Seconds()})
		}
	}
	slices.Reverse(h.Latency)
	return h
}

func newDowntime(d history.Downtime) api.Downtime {
	sum := api.Downtime{Down: d.Down.Seconds(), Known: d.Known.Seconds(), Turns: d.Turns}
	if d.Known > 0 {
		sum.Up = new(1 - sum.Down/sum.Known)
	}
	return sum
}
