package parts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// DigReply is what dig printed of one reply.
type DigReply struct {
	Status     string   // "NOERROR", "NXDOMAIN", …
	Flags      []string // "qr", "aa", …
	Answer     []dns.RR
	Authority  []dns.RR
	Additional []dns.RR // without OPT, which dig shows apart
	Text       string   // all of it
}

// Short is the data of the answer section's records, as dig +short prints them.
func (r *DigReply) Short() []string {
	short := make([]string, 0, len(r.Answer))
	for _, rr := range r.Answer {
		short = append(short, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return short
}

// Dig runs the real dig against a server, with one try and a time limit of two seconds
// unless args say otherwise: names, types and options in dig's own words. No reply is an
// error with what dig had to say.
func Dig(ctx context.Context, server netip.AddrPort, args ...string) (*DigReply, error) {
	path, err := find("dig")
	if err != nil {
		return nil, err
	}
	defaults := []string{"-r", "@" + server.Addr().String(), "-p", strconv.Itoa(int(server.Port())), "+tries=1", "+time=2"}
	text, err := exec.CommandContext(ctx, path, append(defaults, args...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("dig %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(text)))
	}
	reply, err := parseDig(string(text))
	if err != nil {
		return nil, fmt.Errorf("dig %s: %w:\n%s", strings.Join(args, " "), err, text)
	}
	return reply, nil
}

// parseDig reads dig's ordinary output: comments with the header, then sections that each
// begin with a comment and end with an empty line.
func parseDig(text string) (*DigReply, error) {
	reply := &DigReply{Text: text}
	var section *[]dns.RR
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, ";; ->>HEADER<<-"):
			_, status, _ := strings.Cut(line, "status: ")
			reply.Status, _, _ = strings.Cut(status, ",")
		case strings.HasPrefix(line, ";; flags:"):
			flags, _, _ := strings.Cut(strings.TrimPrefix(line, ";; flags:"), ";")
			reply.Flags = strings.Fields(flags)
		case line == ";; ANSWER SECTION:":
			section = &reply.Answer
		case line == ";; AUTHORITY SECTION:":
			section = &reply.Authority
		case line == ";; ADDITIONAL SECTION:":
			section = &reply.Additional
		case line == "":
			section = nil
		case section != nil && !strings.HasPrefix(line, ";"):
			rr, err := dns.NewRR(line)
			if err != nil {
				return nil, fmt.Errorf("record %q: %w", line, err)
			}
			if rr == nil {
				return nil, fmt.Errorf("record %q: there is none in it", line)
			}
			*section = append(*section, rr)
		}
	}
	if reply.Status == "" {
		return nil, errors.New("it printed no header")
	}
	return reply, nil
}
