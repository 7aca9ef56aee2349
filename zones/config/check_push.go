package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"gslb/health"
)

// Limits of what a push check may ask for.
const (
	minPushInterval = time.Second
	maxPushInterval = 7 * 24 * time.Hour // for jobs that run once a day, or less often
)

// pushCheck reads a check of type push.
func pushCheck(l *loader, c *check, table rawTable) *rawCheck {
	raw := new(rawPush)
	l.decoder.table(c.at, table, raw, ` for a check of type "push"`)
	if !l.set.Admin.Listen.IsValid() && l.set.Admin.Socket == "" {
		l.Add(c.at.Key("type"), "nobody can call, since there is no admin server; set admin.listen")
	}
	l.durationWithin(c.at.Key("interval"), raw.Interval, minPushInterval, maxPushInterval)
	interval := raw.Interval.Duration
	c.schedule = health.Target{Check: c.name, Interval: interval, FastInterval: interval, Timeout: min(defaultTimeout, interval/2), Rise: 1, Fall: 1}
	load, tokens := l.feedback(c, &raw.rawLoad, "push"), l.pushTokens(c, raw)
	c.schedule.Feedback = c.feedback
	var subject *text
	if raw.Subject != nil {
		subject = l.text(c, c.at.Key("subject"), *raw.Subject, never, readSubject)
		if c.perMember() && *raw.Subject != "{"+placeholderAddress+"}" {
			l.Add(c.at.Key("subject"), "found %q; expected {address} alone, or not at all", *raw.Subject)
			return nil
		}
	}
	c.spec = func(f *filling) health.Spec {
		return &health.Push{Check: c.name, Subject: f.fill(subject), MaxAge: interval, Load: load, Tokens: tokens}
	}
	return nil
}

// pushTokens reads the digests of the tokens that may push. No message quotes what may be a token.
func (l *loader) pushTokens(c *check, raw *rawPush) [][sha256.Size]byte {
	var sums [][sha256.Size]byte
	switch {
	case raw.TokenFile != nil && raw.TokenSHA256 != nil:
		l.Add(c.at.Key("token_sha256"), "token_file is given as well; expected one of the two")
	case raw.TokenFile != nil:
		for _, token := range l.tokens(c.at.Key("token_file"), *raw.TokenFile) {
			sums = append(sums, token.Sum)
		}
	case raw.TokenSHA256 != nil:
		sum, err := hex.DecodeString(*raw.TokenSHA256)
		if err != nil || len(sum) != sha256.Size {
			l.Add(c.at.Key("token_sha256"), "these are not 64 hexadecimal digits; expected the SHA-256 of a token, as `gslb token NAME` prints it")
			return nil
		}
		sums = append(sums, [sha256.Size]byte(sum))
	}
	return sums
}

// readSubject reads what is pushed for: a part of a path, for people.
func readSubject(s string) (string, error) {
	if s == "" || len(s) > 100 || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/?#%"\\`, r)
	}) || strings.Trim(s, ".") == "" {
		return "", fmt.Errorf("found %q; expected up to 100 letters, digits and other visible characters of ASCII, but none of / ? # %% \\ and \"", s)
	}
	return s, nil
}
