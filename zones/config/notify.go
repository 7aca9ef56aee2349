package config

import (
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"gslb/internal/shout"
	"gslb/zones"
	"gslb/zones/problem"
)

// Limits of the [notify] table.
const (
	mostNotified = 100 // targets

	defaultGroupWait = 5 * time.Second
	maxGroupWait     = time.Hour
	defaultRepeat    = 24 * time.Hour
	minRepeat        = time.Minute
	maxRepeat        = 30 * 24 * time.Hour
	defaultHourly    = 60 // messages an hour
	maxHourly        = 10_000

	shortestKey = 16 // bytes of what messages are signed with

	// An Alertmanager takes an alert that is not sent again as resolved.
	alertRepeat = time.Minute
)

// notify reads who is told of incidents.
func (l *loader) notify(raw *rawNotify) {
	if raw == nil {
		return
	}
	at, n := problem.Top("notify"), &l.set.Notify
	n.Page = l.webLink(at.Key("page"), raw.Page)
	n.Runbook = l.webLink(at.Key("runbook"), raw.Runbook)
	if page, err := url.Parse(n.Page); raw.Runbook == nil && err == nil && n.Page != "" {
		n.Runbook = page.JoinPath("runbook").String() // which every server shows
	}
	if len(raw.Targets) > mostNotified {
		l.Add(at.Key("targets"), "found %d targets; expected at most %d", len(raw.Targets), mostNotified)
		return
	}
	if raw.Targets != nil && len(raw.Targets) == 0 {
		l.Add(at.Key("targets"), "found an empty table; expected at least one target, or no table notify")
	}
	for _, name := range sortedKeys(raw.Targets) {
		target, at := raw.Targets[name], at.Key("targets").Key(name)
		l.word(at, name)
		n.Targets = append(n.Targets, l.notifyTarget(at, name, &target))
	}
}

// webLink reads a URL that people follow.
func (l *loader) webLink(at *problem.Place, text *string) string {
	if text == nil {
		return ""
	}
	if u, err := url.Parse(*text); err == nil && u.User != nil {
		l.Add(at, "the URL has a user in it, which everybody would see who follows it; remove that")
	} else if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
		l.Add(at, "found %q; expected a URL, https:// or http://, without a fragment", *text)
	}
	return *text
}

func (l *loader) notifyTarget(at *problem.Place, name string, raw *rawNotifyTarget) zones.NotifyTarget {
	t := zones.NotifyTarget{Name: name, Type: zones.NotifyType(raw.Type), Resolved: raw.Resolved}
	t.URL = l.secret(at, secretKeys{"url", "url_file", "url_env"}, raw.URL, raw.URLFile, raw.URLEnv)
	switch t.Type {
	case zones.NotifyShoutrrr, zones.NotifyWebhook, zones.NotifyAlertmanager:
		l.notifyURL(at, &t, raw)
	default:
		l.Add(at.Key("type"), `found %q; expected "shoutrrr", "webhook" or "alertmanager"`, raw.Type)
	}
	l.notifyKey(at, &t, raw)

	t.Kinds = l.notifyKinds(at.Key("kinds"), raw.Kinds)
	switch raw.Severity {
	case "any":
	case "critical":
		t.CriticalOnly = true
	default:
		l.Add(at.Key("severity"), `found %q; expected "any" or "critical"`, raw.Severity)
	}
	l.notifyTimes(at, &t, raw)
	return t
}

// secretKeys is the keys by which a secret is given: itself, a file, a variable of the environment.
type secretKeys struct{ text, file, env string }

// secret reads a text that nobody should see. No message quotes it.
func (l *loader) secret(at *problem.Place, keys secretKeys, text, file, env *string) zones.Secret {
	given := 0
	for _, way := range []*string{text, file, env} {
		if way != nil {
			given++
		}
	}
	found := ""
	switch {
	case given > 1 && keys.text != "":
		l.Add(at, "expected one of the keys %s, %s and %s", keys.text, keys.file, keys.env)
	case given > 1:
		l.Add(at, "expected one of the keys %s and %s", keys.file, keys.env)
	case text != nil:
		found, at = *text, at.Key(keys.text)
	case file != nil:
		at = at.Key(keys.file)
		data, err := l.files.readSmall(l.files.path(*file))
		if err != nil {
			l.Add(at, "found %q; expected a readable file: %v", *file, err)
			return ""
		}
		found = strings.TrimSpace(string(data))
	case env != nil:
		at = at.Key(keys.env)
		if l.options.Within != "" { // whoever has sent the configuration may not ask for variables of this process
			return ""
		}
		if found = strings.TrimSpace(os.Getenv(*env)); found == "" {
			if l.options.Serving {
				l.Add(at, "the environment has no variable %q, or an empty one; set it where gslb is started", *env)
			} else {
				l.warnings.Add(at, "the environment of this command has no variable %q; the server needs it", *env)
			}
			return ""
		}
	default:
		return "" // it was reported if it is needed
	}
	if given == 1 && (found == "" || strings.ContainsFunc(found, func(r rune) bool { return r < ' ' || r == 0x7f })) {
		l.Add(at, "expected one line of text")
		return ""
	}
	return zones.Secret(found)
}

// notifyURL reports a URL that a target of this type can't have.
func (l *loader) notifyURL(at *problem.Place, t *zones.NotifyTarget, raw *rawNotifyTarget) {
	key := "url"
	if raw.URLFile != nil {
		key = "url_file"
	} else if raw.URLEnv != nil {
		key = "url_env"
	}
	if t.URL == "" {
		return
	}
	if t.Type == zones.NotifyShoutrrr {
		if _, err := shout.Open(t.URL.Reveal()); err != nil {
			l.Add(at.Key(key), "found something else than a URL of shoutrrr: %v; see https://shoutrrr.nickfedor.com/services/overview", err)
		} else if key == "url" {
			l.warnings.Add(at.Key(key), "the URL has a secret in it, and this file may be read by many; put it into a file of its own, and name that by url_file")
		}
		return
	}
	u, err := url.Parse(t.URL.Reveal())
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Fragment != "" {
		l.Add(at.Key(key), "found something else; expected a URL, https:// or http://, without a fragment")
	} else if _, password := u.User.Password(); password && key == "url" {
		l.warnings.Add(at.Key(key), "the URL has a password in it, and this file may be read by many; put it into a file of its own, and name that by url_file")
	}
}

// notifyKey reads what messages to a webhook are signed with.
func (l *loader) notifyKey(at *problem.Place, t *zones.NotifyTarget, raw *rawNotifyTarget) {
	given := raw.SecretFile != nil || raw.SecretEnv != nil
	switch {
	case t.Type == zones.NotifyWebhook && !given:
		l.Add(at.Key("secret_file"), "missing; expected the file with the secret that messages are signed with, or the key secret_env")
	case t.Type != zones.NotifyWebhook && given:
		key := "secret_file"
		if raw.SecretFile == nil {
			key = "secret_env"
		}
		l.Add(at.Key(key), `is for targets of type "webhook", whose messages are signed; remove it`)
	case given:
		before := l.Len()
		t.Key = l.secret(at, secretKeys{file: "secret_file", env: "secret_env"}, nil, raw.SecretFile, raw.SecretEnv)
		if t.Key != "" && len(t.Key) < shortestKey && l.Len() == before {
			l.Add(at, "the secret has %d bytes; expected at least %d, such as `openssl rand -hex 32` makes", len(t.Key), shortestKey)
		}
	}
}

func (l *loader) notifyKinds(at *problem.Place, kinds []string) []string {
	if kinds != nil && len(kinds) == 0 {
		l.Add(at, "found an empty list; expected at least one kind, or no such key")
	}
	known := zones.NotifyKinds()
	return distinct(l, at, kinds, func(at *problem.Place, kind string) (string, bool) {
		for _, k := range known {
			if k == kind {
				return kind, true
			}
		}
		l.Add(at, "there is no kind %q; %s", kind, meant(kind, known))
		return "", false
	})
}

// notifyTimes reads when and how often a target is told.
func (l *loader) notifyTimes(at *problem.Place, t *zones.NotifyTarget, raw *rawNotifyTarget) {
	t.Location = time.UTC
	if raw.Timezone != nil {
		var err error
		if t.Location, err = time.LoadLocation(*raw.Timezone); err != nil || *raw.Timezone == "" {
			l.Add(at.Key("timezone"), `found %q; expected a time zone such as "Europe/Amsterdam"`, *raw.Timezone)
			t.Location = time.UTC
		}
	}
	if t.Type == zones.NotifyAlertmanager {
		for key, given := range map[string]bool{
			"group_wait": raw.GroupWait != nil, "repeat_after": raw.RepeatAfter != nil, "quiet": raw.Quiet != nil, "rate": raw.Rate != nil, "resolved": !raw.Resolved,
		} {
			if given {
				l.Add(at.Key(key), "is for an Alertmanager to decide, which is always told everything; remove it")
			}
		}
		t.Resolved, t.RepeatAfter = true, alertRepeat
		return
	}
	t.GroupWait, t.RepeatAfter, t.Rate = defaultGroupWait, defaultRepeat, defaultHourly
	if raw.GroupWait != nil && l.durationWithin(at.Key("group_wait"), *raw.GroupWait, 0, maxGroupWait) {
		t.GroupWait = raw.GroupWait.Duration
	}
	if raw.RepeatAfter != nil {
		t.RepeatAfter = raw.RepeatAfter.Duration
		if t.RepeatAfter != 0 {
			l.durationWithin(at.Key("repeat_after"), *raw.RepeatAfter, minRepeat, maxRepeat)
		}
	}
	if raw.Rate != nil {
		t.Rate = l.within(at.Key("rate"), *raw.Rate, 1, maxHourly)
	}
	if raw.Quiet == nil {
		if raw.QuietCritical {
			l.Add(at.Key("quiet_critical"), "there is no quiet time; set quiet, or remove this")
		}
		return
	}
	var err error
	if t.Quiet, err = quietTime(*raw.Quiet); err != nil {
		l.Add(at.Key("quiet"), `found %q; expected two times of a day that differ, such as "22:00-07:00"`, *raw.Quiet)
		return
	}
	t.Quiet.Critical = raw.QuietCritical
}

// quietTime reads "22:00-07:00".
func quietTime(text string) (*zones.Quiet, error) {
	from, to, _ := strings.Cut(text, "-")
	q := &zones.Quiet{}
	var err1, err2 error
	q.From, err1 = timeOfDay(from)
	q.To, err2 = timeOfDay(to)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if q.From == q.To {
		return nil, errors.New("it has no end")
	}
	return q, nil
}

func timeOfDay(text string) (time.Duration, error) {
	hour, minute, ok := strings.Cut(strings.TrimSpace(text), ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(minute) != 2 || h > 23 || m > 59 {
		return 0, errors.New("it is no time of a day")
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}
