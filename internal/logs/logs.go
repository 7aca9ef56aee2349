// Package logs writes the log: as text or JSON, without ever waiting for its reader, with the priorities of
// systemd's journal, and not too many lines that are alike.
package logs

import (
	"fmt"
	"io"
	"log/slog"
)

// New makes a logger that writes to w in a format. What goes to the journal has a priority, and as text no time of
// its own. Errors name the flags of the command line that are wrong.
func New(w io.Writer, format, level string, toJournal bool) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not one of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: least, ReplaceAttr: durationAsText}
	var handler func(io.Writer) slog.Handler
	switch format {
	case "text":
		if toJournal {
			options.ReplaceAttr = withoutTime
		}
		handler = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	case "json":
		handler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	default:
		return nil, fmt.Errorf("--log-format: %q is not one of text, json", format)
	}
	if toJournal {
		return slog.New(newJournalHandler(w, handler)), nil
	}
	return slog.New(handler(w)), nil
}

// durationAsText writes durations as "5s" in JSON as well, where slog writes nanoseconds.
func durationAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// withoutTime is durationAsText, and leaves out the time of a line.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return durationAsText(groups, a)
}
