package logs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxLines bounds how many lines are alike within a time: a start may have thousands of first
	// verdicts, and a region thousands of targets, which need not fall all at once. The others are
	// counted in one line, and come with --log-level=debug.
	maxLines    = 20
	linesWithin = 10 * time.Second
)

// Few is a logger that bounds how many of its lines are alike, which is that they have the same
// level and message. It is for what is told of each target, pool or name.
func Few(logger *slog.Logger) *slog.Logger {
	to := logger.Handler()
	return slog.New(&fewHandler{to, &lineCounts{to: to, seen: make(map[kindOfLine]int)}})
}

type fewHandler struct {
	slog.Handler
	counts *lineCounts
}

// Handle implements slog.Handler.
func (h *fewHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug && !h.counts.take(kindOfLine{r.Level, r.Message}) {
		if r.Level = slog.LevelDebug; !h.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *fewHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &fewHandler{h.Handler.WithAttrs(attributes), h.counts}
}

// WithGroup implements slog.Handler.
func (h *fewHandler) WithGroup(name string) slog.Handler {
	return &fewHandler{h.Handler.WithGroup(name), h.counts}
}

// kindOfLine is what lines have in common that are alike.
type kindOfLine struct {
	level slog.Level
	msg   string
}

// lineCounts counts the lines of each kind since the first one, for linesWithin.
type lineCounts struct {
	to slog.Handler

	mu   sync.Mutex
	seen map[kindOfLine]int
}

// take counts a line, and reports whether it is one of the first.
func (c *lineCounts) take(k kindOfLine) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[k] == 0 {
		time.AfterFunc(linesWithin, func() { c.end(k) })
	}
	c.seen[k]++
	return c.seen[k] <= maxLines
}

// end says how many lines of a kind were left out, and begins anew.
func (c *lineCounts) end(k kindOfLine) {
	c.mu.Lock()
	more := c.seen[k] - maxLines
	delete(c.seen, k)
	c.mu.Unlock()
	if more > 0 {
		slog.New(c.to).Log(context.Background(), k.level, k.msg+": more of these are not listed", "more", more, "within", linesWithin)
	}
}
