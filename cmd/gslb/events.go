package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/journal"
	"gslb/replication"
	"gslb/zones"
)

// Bounds of following events. The server sends a sign of life every 15 seconds.
const (
	streamSilence = 45 * time.Second
	streamRetry   = time.Second
	streamGone    = time.Minute // how long a server that was lost is looked for
	maxEventLine  = 1 << 20
)

func eventsCommand() *cobra.Command {
	var follow, asJSON bool
	var last int
	cmd := &cobra.Command{
		Use:   "events",
		Short: "show what has happened, and follow what happens",
		Long: `events shows the last events of a running server, the latest at the end: what turned up or
down, which answers changed and why, which configuration came into use, and what persons did.

With -f it goes on with what happens, until it is interrupted; a server that is restarted
meanwhile is found again. With --json it prints the server's document and, with -f, each event
as a line of JSON.`,
		Example: `  gslb events -n 50
  gslb events -f
  gslb events -f --json | jq 'select(.kind == "answer")'`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens")
	cmd.Flags().IntVarP(&last, "lines", "n", 20, "how many of the last events to show first")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if last < 0 || last > 10_000 {
			return exit{2, fmt.Errorf("--lines: %d is not from 0 to 10000", last)}
		}
		server, err := c.connect()
		if err != nil {
			return err
		}
		out := newScreen(cmd.OutOrStdout())
		query := url.Values{"limit": {strconv.Itoa(max(last, 1))}}
		if asJSON && !follow {
			return show[api.EventList](cmd, server, true, "events", query, nil)
		}
		var list api.EventList
		document, err := server.get(cmd.Context(), "events", query, &list)
		if err != nil {
			return err
		}
		if last == 0 {
			list.Events = nil
		}
		if asJSON {
			err = printLines(out, document, last)
		} else {
			for i := range list.Events {
				printEvent(out, &list.Events[i])
			}
		}
		if err != nil || !follow {
			return err
		}
		f := &follower{server: server, last: list.Last, aside: cmd.ErrOrStderr(), show: func(line []byte) error {
			if asJSON {
				_, err := out.Write(append(line, '\n'))
				return err
			}
			var e journal.Event
			if err := json.Unmarshal(line, &e); err != nil {
				return server.foreign("an event that can't be read")
			}
			printEvent(out, &e)
			return nil
		}}
		return f.follow(cmd.Context())
	}
	return cmd
}

// printLines prints the events of a document, a line each, as they came.
func printLines(w io.Writer, document []byte, last int) error {
	var list struct {
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return err
	}
	if last == 0 {
		return nil
	}
	for _, e := range list.Events {
		var line bytes.Buffer
		if err := json.Compact(&line, e); err != nil {
			return err
		}
		line.WriteByte('\n')
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// follower shows events as they happen.
type follower struct {
	server *client
	last   uint64 // the ID of the last event that was shown
	aside  io.Writer
	show   func(line []byte) error
}

// errShow marks an error of who is shown the events.
type errShow struct{ error }

// follow returns when the context is done, or the server is gone for good.
func (f *follower) follow(ctx context.Context) error {
	var lost time.Time // when the server was; the zero Time: it is there
	for {
		began := time.Now()
		err := f.stream(ctx)
		var shown errShow
		var no refused
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &shown):
			return shown.error
		case errors.As(err, &no):
			return err
		case err == nil || time.Since(began) > streamRetry:
			lost = time.Time{} // it had been there
		}
		if lost.IsZero() {
			lost = time.Now()
			fmt.Fprintf(f.aside, "gslb: the events of %s have ended; looking for it again\n", f.server.where)
		}
		if time.Since(lost) > streamGone {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(streamRetry):
		}
	}
}

// stream shows events until the connection ends (WHATWG HTML, section 9.2).
func (f *follower) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(callWait, func() { cancel(context.DeadlineExceeded) })
	defer silence.Stop()
	unreached := func(err error, wait time.Duration) error {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return f.server.unreached(err, wait)
	}
	query := url.Values{"after": {strconv.FormatUint(f.last, 10)}}
	r, err := f.server.open(ctx, call{method: http.MethodGet, path: "events/stream", query: query}, "text/event-stream")
	if err != nil {
		return unreached(err, callWait)
	}
	defer r.Body.Close()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); r.StatusCode != http.StatusOK || kind != "text/event-stream" {
		document, err := io.ReadAll(io.LimitReader(r.Body, maxEventLine))
		if err != nil {
			return unreached(err, callWait)
		}
		if err := f.server.judge(r, document); err != nil {
			return err
		}
		return f.server.foreign("no event stream")
	}
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, maxEventLine)
	event, data := "", ""
	for lines.Scan() {
		silence.Reset(streamSilence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			event = value
		case "data":
			data += value
		case "id":
			if id, err := strconv.ParseUint(value, 10, 64); err == nil {
				f.last = id
			}
		case "":
			if lines.Text() != "" {
				continue // a comment: a sign of life
			}
			if event == "missed" {
				fmt.Fprintln(f.aside, "gslb: some events are missing here: there were more than the server keeps")
			} else if data != "" {
				if err := f.show([]byte(data)); err != nil {
					return errShow{err}
				}
			}
			event, data = "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return unreached(err, streamSilence)
	}
	return nil
}

// printEvent prints an event: when, what kind, and what.
func printEvent(out screen, e *journal.Event) {
	p := noPaint
	switch {
	case e.Mode.IsEmergency(), e.To == "down", e.To == journal.Refused:
		p = red
	case e.Degraded:
		p = red
	case e.Kind == journal.Hold, e.Kind == journal.Override, e.Kind == journal.Pending, e.Kind == journal.Expiry:
		p = yellow
	case e.To == "up", e.Kind == journal.Copy && e.To == string(replication.Current):
		p = green
	}
	out.put(p, 4, "%s  %-8s  %s", e.At.Local().Format(time.DateTime), visible(string(e.Kind)), eventText(e))
}

// eventText says what happened, in one line.
func eventText(e *journal.Event) string {
	text := visible(zones.Plain(e.Subject))
	switch e.Kind {
	case journal.Answer:
		text = namesText(e.Names, e.NamesTotal, e.Views) + ": " + poolText(e.From, string(e.FromMode)) + " → " + poolText(e.To, string(e.Mode))
	case journal.Config, journal.Pending:
		text += ": " + cmp.Or(hashText(e.To), "no more")
	case journal.Reload:
		text += ": " + visible(cmp.Or(e.To, "not refused any more"))
	case journal.Override, journal.Hold, journal.Expiry:
		text += ": " + visible(cmp.Or(e.To, "ended"))
	default:
		text += ": " + visible(e.From) + " → " + visible(e.To)
	}
	if e.By != "" {
		text += ", by " + visible(e.By)
	}
	if e.Lasted > 0 {
		text += fmt.Sprintf(", after %s", span(time.Duration(e.Lasted*float64(time.Second))))
	}
	if !e.Until.IsZero() {
		text += ", until " + clockTime(e.Until, e.At)
	}
	if !e.MovedBy.IsZero() {
		text += ", clients have moved by " + clockTime(e.MovedBy, e.At)
	}
	return text + because(e.Why)
}

// hashText is the beginning of a hash, which is enough to tell configurations apart.
func hashText(hash string) string { return visible(hash[:min(len(hash), 12)]) }
