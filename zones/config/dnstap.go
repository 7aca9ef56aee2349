package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"gslb/zones"
	"gslb/zones/problem"
)

// Limits of the [server.dnstap] table.
const (
	minTapFile     = 1_000_000 // bytes: a multiple of what is written at once
	maxTapFile     = 1_000_000_000_000
	maxTapKept     = 1000
	minTapSample   = 1e-6
	defaultTapFile = 100_000_000
	defaultTapKept = 4
)

type rawDnstap struct {
	Socket   *string  `toml:"socket"`
	Address  *string  `toml:"address"`
	File     *string  `toml:"file"`
	MaxSize  *int64   `toml:"max_size"`
	Keep     *int64   `toml:"keep"`
	Sample   any      `toml:"sample"` // a number
	Messages []string `toml:"messages"`
	Identity *string  `toml:"identity"`
	Version  *string  `toml:"version"`
}

// The messages of [server.dnstap].
const (
	tapQueries   = "queries"
	tapResponses = "responses"
)

// dnstap reads to whom queries and replies are reported; without the table, to nobody.
func (l *loader) dnstap(at *problem.Place, raw *rawDnstap) (d zones.Dnstap) {
	if raw == nil {
		return d
	}
	l.tapDestination(at, raw, &d)
	d.Sample = 1
	if sample := l.number(at.Key("sample"), raw.Sample); sample != nil {
		if d.Sample = *sample; d.Sample < minTapSample || d.Sample > 1 {
			l.Add(at.Key("sample"), "found %v; expected the share of the queries that are logged, from 0.000001 to 1", d.Sample)
		}
	}
	messages := []string{tapQueries, tapResponses}
	if raw.Messages != nil {
		if messages = distinct(l, at.Key("messages"), raw.Messages, l.tapMessage); len(raw.Messages) == 0 {
			l.Add(at.Key("messages"), "found an empty list; expected %s", oneOf([]string{tapQueries, tapResponses}))
		}
	}
	d.Queries, d.Responses = slices.Contains(messages, tapQueries), slices.Contains(messages, tapResponses)
	d.Identity = l.characterString(at.Key("identity"), raw.Identity)
	d.Version = l.characterString(at.Key("version"), raw.Version)
	return d
}

func (l *loader) tapMessage(at *problem.Place, text string) (string, bool) {
	if text == tapQueries || text == tapResponses {
		return text, true
	}
	l.Add(at, "found %q; expected %s", text, oneOf([]string{tapQueries, tapResponses}))
	return "", false
}

// tapDestination reads the one of three keys that says where the messages go.
func (l *loader) tapDestination(at *problem.Place, raw *rawDnstap, d *zones.Dnstap) {
	var given []string
	if raw.Socket != nil {
		given = append(given, "socket")
		d.Network, d.Address = "unix", l.socket(at.Key("socket"), *raw.Socket)
		if d.Address == "" {
			l.Add(at.Key("socket"), "found an empty string; expected the path of a collector's unix socket")
		}
	}
	if raw.Address != nil {
		given = append(given, "address")
		d.Network = "tcp"
		d.Address, _ = parsed(l, tapAddress)(at.Key("address"), *raw.Address)
	}
	if raw.File != nil {
		given = append(given, "file")
		d.Network, d.Address = "file", l.files.path(*raw.File)
		if *raw.File == "" || strings.ContainsRune(*raw.File, 0) {
			l.Add(at.Key("file"), "found %q; expected the path of a file", *raw.File)
		}
	}
	switch len(given) {
	case 0:
		l.Add(at, "nothing says where the query log goes; expected one of the keys socket, address and file")
	case 1:
	default:
		l.Add(at, "found the keys %s; expected one of them, where the query log goes", strings.Join(given, " and "))
	}
	d.MaxSize, d.Keep = defaultTapFile, defaultTapKept
	if raw.MaxSize != nil {
		d.MaxSize = int64(l.within(at.Key("max_size"), *raw.MaxSize, minTapFile, maxTapFile))
	}
	if raw.Keep != nil {
		d.Keep = l.within(at.Key("keep"), *raw.Keep, 1, maxTapKept)
	}
	if d.Network != "file" {
		for key, value := range map[string]*int64{"max_size": raw.MaxSize, "keep": raw.Keep} {
			if value != nil {
				l.Add(at.Key(key), "is for file, which is not set; set it, or remove this")
			}
		}
		d.MaxSize, d.Keep = 0, 0
	}
}

// tapAddress reads the host and port of a collector.
func tapAddress(text string) (string, error) {
	if _, _, err := net.SplitHostPort(text); err != nil {
		return "", fmt.Errorf(`found %q; expected a host and port, such as "192.0.2.9:6000"`, text)
	}
	return readHostPort(text)
}
