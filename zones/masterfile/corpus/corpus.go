// Package corpus has records with their wire form, for tests only: those of the reader, and those
// that compare it with other servers.
//
// A text holds entries such as
//
//	MX ( 10
//	 mx )
//		000a026d78076578616d706c6503636f6d00
//		knot refuses it: why
//
// The record stands without its owner, in the zone example.com., and goes on in lines that begin
// with a blank. Behind a tab stand its data in hexadecimal ("nothing" where there is none), or
// "refused". Below those, a line for each server that makes another thing of it says why that is
// not right here: "refuses it", "takes it", or "has" and other data.
package corpus

import (
	"embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.txt
var files embed.FS

// Origin is the zone that the records stand in.
const Origin = "example.com."

// Entry is a record and what has to become of it.
type Entry struct {
	Where string // file and line
	Text  string // type and data, and what may stand before them
	Type  string // as it is written, in capitals
	Verdict
	Peers map[string]Verdict // of other servers that differ, by their names
}

// Verdict is what a server makes of a record.
type Verdict struct {
	Refused bool
	Data    []byte // nil: whatever it is
	Why     string
}

// unknown is the types that a server does not know, by their names. It accepts any data in the
// generic form for these types, so that its verdict on that does not count either.
var unknown = map[string]string{
	"bind": "MD MF",
	"nsd": `A6 AMTRELAY ATMA BRID DOA DSYNC EID GPOS HHIT HIP NIMLOC NINFO NSAP-PTR RESINFO RKEY SINK TA TALINK
		WALLET`,
	"knot": `A6 AMTRELAY ATMA AVC BRID DLV DOA DSYNC EID GPOS HHIT HIP ISDN MB MD MF MG MR NIMLOC NINFO NSAP
		NSAP-PTR NULL NXT PX RESINFO RKEY SIG SINK TA TALINK WALLET WKS X25`,
}

// Of is what a server has to make of the record; false: it does not know the type.
func (e *Entry) Of(server string) (v Verdict, knows bool) {
	if slices.Contains(strings.Fields(unknown[server]), e.Type) {
		return v, false
	}
	if v, differs := e.Peers[server]; differs {
		return v, true
	}
	return e.Verdict, true
}

// Read returns all entries.
func Read() ([]Entry, error) {
	listing, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, file := range listing {
		text, err := files.ReadFile(file.Name())
		if err != nil {
			return nil, err
		}
		entries, err := parse(file.Name(), string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

func parse(file, text string) ([]Entry, error) {
	var entries []Entry
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		where := fmt.Sprintf("%s:%d", file, i+1)
		var last *Entry
		if len(entries) > 0 {
			last = &entries[len(entries)-1]
		}
		outcome, isOutcome := strings.CutPrefix(line, "\t")
		switch {
		case line == "" || line[0] == '#':
		case last == nil && (isOutcome || line[0] == ' '):
			return nil, fmt.Errorf("%s: found %q; expected a record before it", where, line)
		case isOutcome:
			if err := last.outcome(outcome); err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
		case line[0] == ' ':
			last.Text += "\n" + line
		default:
			first := strings.Fields(strings.Trim(line, "("))[0]
			entries = append(entries, Entry{Where: where, Text: line, Type: strings.ToUpper(first), Peers: map[string]Verdict{}})
		}
	}
	return entries, nil
}

// outcome reads a line below a record.
func (e *Entry) outcome(line string) (err error) {
	verdict, why, differs := strings.Cut(line, ": ")
	if !differs {
		e.Verdict, err = parseVerdict(line)
		return err
	}
	server, rest, _ := strings.Cut(verdict, " ")
	var v Verdict
	switch rest {
	case "refuses it":
		v.Refused = true
	case "takes it":
	default:
		data, has := strings.CutPrefix(rest, "has ")
		if !has {
			return fmt.Errorf("found %q; expected \"refuses it\", \"takes it\" or \"has …\"", rest)
		}
		if v, err = parseVerdict(data); err != nil {
			return err
		}
	}
	v.Why = why
	e.Peers[server] = v
	return nil
}

func parseVerdict(text string) (v Verdict, err error) {
	switch text {
	case "refused":
		return Verdict{Refused: true}, nil
	case "nothing":
		return Verdict{Data: []byte{}}, nil
	}
	v.Data, err = hex.DecodeString(text)
	if err != nil {
		return v, fmt.Errorf("found %q; expected data in hexadecimal: %w", text, err)
	}
	return v, nil
}
