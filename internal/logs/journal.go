package logs

import (
	"bytes"
	"context"
	"io"
	"log/slog"

	"github.com/coreos/go-systemd/v22/journal"
)

// journalHandler writes lines for systemd's journal. Each begins with its priority (sd-daemon(3)), so that
// "journalctl -p warning" finds those that matter.
//
//	level    priority
//	debug    7
//	info     6
//	warn     4
//	error    3
//
// What has no priority of its own, such as the panic of a process, gets that of the unit (SyslogLevel).
type journalHandler struct{ debug, info, warn, error slog.Handler }

// newJournalHandler makes handlers that write to a writer each with what make returns, since a handler does
// not tell its writer the level of a line.
func newJournalHandler(w io.Writer, make func(io.Writer) slog.Handler) slog.Handler {
	with := func(priority string) slog.Handler { return make(&prefixWriter{w, priority}) }
	return &journalHandler{with("<7>"), with(infoPrefix), with(warningPrefix), with(errorPrefix)}
}

func (h *journalHandler) of(level slog.Level) slog.Handler {
	switch {
	case level >= slog.LevelError:
		return h.error
	case level >= slog.LevelWarn:
		return h.warn
	case level >= slog.LevelInfo:
		return h.info
	}
	return h.debug
}

func (h *journalHandler) each(change func(slog.Handler) slog.Handler) slog.Handler {
	return &journalHandler{change(h.debug), change(h.info), change(h.warn), change(h.error)}
}

func (h *journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.of(level).Enabled(ctx, level)
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.of(r.Level).Handle(ctx, r)
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

// prefixWriter writes a prefix before each line of what is written, and all of that in one piece.
type prefixWriter struct {
	w      io.Writer
	prefix string
}

func (p *prefixWriter) Write(text []byte) (int, error) {
	var all []byte
	for line := range bytes.Lines(text) {
		all = append(append(all, p.prefix...), line...)
	}
	if _, err := p.w.Write(all); err != nil {
		return 0, err
	}
	return len(text), nil
}

// The priorities of lines.
const (
	errorPrefix   = "<3>"
	warningPrefix = "<4>"
	infoPrefix    = "<6>"
)

// ErrorsTo and WarningsTo are w, which is standard error, for text that is no line of the log.
func ErrorsTo(w io.Writer) io.Writer   { return textTo(w, errorPrefix, ToJournal()) }
func WarningsTo(w io.Writer) io.Writer { return textTo(w, warningPrefix, ToJournal()) }

// InfoTo is w, which is standard output, likewise.
func InfoTo(w io.Writer) io.Writer {
	is, err := journal.StdoutIsJournalStream()
	return textTo(w, infoPrefix, err == nil && is)
}

func textTo(w io.Writer, prefix string, toJournal bool) io.Writer {
	if toJournal {
		return &prefixWriter{w, prefix}
	}
	return w
}

// ToJournal says whether standard error is systemd's journal, which keeps the time of each line itself.
func ToJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return err == nil && is
}
