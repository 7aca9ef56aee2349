package config

import (
	"errors"
	"net/url"
	"time"

	"gslb/replication"
	"gslb/zones/problem"
)

const maxHookTimeout = 10 * time.Minute // nobody can write meanwhile

// hooks reads what is run around a planned move.
func (l *loader) hooks(g *group, raw *rawReplication) {
	g.StopWrites = l.hook(g.at.Key("stop_writes"), raw.StopWrites)
	g.AcceptWrites = l.hook(g.at.Key("accept_writes"), raw.AcceptWrites)
	g.ResumeWrites = l.hook(g.at.Key("resume_writes"), raw.ResumeWrites)
	switch {
	case raw.StopWrites != nil && raw.ResumeWrites == nil:
		l.Add(g.at.Key("stop_writes"), "resume_writes is missing: what has ended writing must be undone when a move is aborted")
	case raw.StopWrites == nil && raw.ResumeWrites != nil:
		l.Add(g.at.Key("resume_writes"), "stop_writes is missing, so that there is never anything to undo; remove this, or add it")
	}
}

// hook reads one of them; nil: there is none.
func (l *loader) hook(at *problem.Place, raw *rawHook) *replication.Hook {
	if raw == nil {
		return nil
	}
	h := &replication.Hook{Command: raw.Exec, Timeout: 30 * time.Second}
	switch {
	case (raw.Exec != nil) == (raw.Webhook != nil):
		l.Add(at, "expected one of exec and webhook")
	case raw.Webhook != nil:
		if err := validWebhook(*raw.Webhook); err != nil {
			l.Add(at.Key("webhook"), "%v", err)
		}
		h.URL = *raw.Webhook
	default:
		l.command(at.Key("exec"), raw.Exec)
	}
	if raw.Timeout != nil && l.durationWithin(at.Key("timeout"), *raw.Timeout, time.Second, maxHookTimeout) {
		h.Timeout = raw.Timeout.Duration
	}
	return h
}

// command reports what is wrong with a program and its arguments.
func (l *loader) command(at *problem.Place, words []string) {
	if l.set.Server.ExecParallel == 0 {
		l.Add(at, "found a program; expected allow_exec = true in [server], since it runs as the user of this program")
	}
	if len(words) == 0 {
		l.Add(at, "found an empty list; expected the path of a program and its arguments")
	}
	for i, word := range words {
		valid := validArgument
		if i == 0 {
			valid = validProgram
		}
		if err := valid(word); err != nil {
			l.Add(at.Index(i), "%v", err)
		}
	}
}

// validWebhook says what is wrong with the URL of a webhook, which may have a secret in it, and is not repeated.
func validWebhook(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("found something else; expected a URL, https:// or http://, without a user and a fragment")
	}
	return nil
}
