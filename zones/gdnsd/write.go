package gdnsd

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// write makes the text of zones.toml.
func (im *importer) write(zones []*zone) []byte {
	w := &writer{}
	w.comment("", `Made by "gslb import gdnsd". What is not carried over, or done otherwise, is marked with NOTE.`)
	w.comment("", `Correct what is to be corrected, and look at it with "gslb check".`)
	w.notes(im.loose)
	w.server(&im.server)
	for _, c := range im.checks {
		w.check(c)
	}
	for _, p := range im.pools {
		w.pool(p)
	}
	for _, z := range zones {
		w.zone(z)
		for _, n := range im.names[z] {
			w.name(z, n)
		}
	}
	return w.Bytes()
}

type writer struct{ bytes.Buffer }

// width is how long a line of a comment, or of a list, may get.
const width = 100

// comment writes text as comments, wrapped.
func (w *writer) comment(mark, text string) {
	line := "#"
	for i, word := range strings.Fields(printable(mark + text)) {
		if i > 0 && len(line)+1+len(word) > width {
			w.WriteString(line + "\n")
			line = "#"
			if mark != "" {
				line += strings.Repeat(" ", len(mark))
			}
		}
		line += " " + word
	}
	w.WriteString(line + "\n")
}

func (w *writer) notes(texts []string) {
	for _, text := range texts {
		w.comment("NOTE ", text)
	}
}

func (w *writer) remarks(r remarks) {
	for _, text := range r.reasons {
		w.comment("", text)
	}
	w.notes(r.losses)
}

// printable replaces what cannot stand in a comment.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// setting is a key and its value, as TOML has them.
type setting struct{ key, value string }

// settings are those of a table.
type settings []setting

func (s *settings) add(key, value string) { *s = append(*s, setting{key, value}) }

// table writes a header and keys, which are aligned.
func (w *writer) table(header string, all settings) {
	fmt.Fprintf(w, "[%s]\n", header)
	longest := 0
	for _, one := range all {
		longest = max(longest, len(one.key))
	}
	for _, one := range all {
		fmt.Fprintf(w, "%-*s = %s\n", longest, one.key, one.value)
	}
}

func (w *writer) server(s *server) {
	w.WriteString("\n")
	w.remarks(s.remarks)
	all := settings{{"listen", textList(s.listen)}}
	if s.id != "" {
		all.add("id", text(s.id))
	}
	if s.version != "" {
		all.add("version", text(s.version))
	}
	if s.noCookies {
		all.add("cookies", "false")
	}
	if len(s.databases) > 0 {
		all.add("geoip", textList(s.databases))
	}
	if s.noSubnets {
		all.add("client_subnet", "false")
	}
	w.table("server", all)
	var tcp settings
	if s.connections > 0 {
		tcp.add("connections", strconv.Itoa(s.connections))
	}
	if s.idle > 0 {
		tcp.add("idle", period(uint32(s.idle)))
	}
	if len(tcp) > 0 {
		w.WriteString("\n")
		w.table("server.tcp", tcp)
	}
}

func (w *writer) check(c *check) {
	w.WriteString("\n")
	w.comment("", fmt.Sprintf("service type %s, %s", c.service, c.place))
	w.remarks(c.remarks)
	address := "{address}"
	if c.single != "" {
		address = "{" + c.single + "}"
		if c.single == "ipv6" {
			address = "[" + address + "]"
		}
	}
	all := settings{{"type", text(c.kind)}}
	if c.kind == "http" {
		port := ""
		if c.port != defaultPort {
			port = ":" + strconv.Itoa(c.port)
		}
		all.add("url", text("http://"+address+port+c.path))
		if c.host != "" {
			all.add("host", text(c.host))
		}
		if len(c.status) > 0 {
			var codes []string
			for _, code := range c.status {
				codes = append(codes, strconv.Itoa(code))
			}
			all.add("expect", "{ status = ["+strings.Join(codes, ", ")+"] }")
		}
	} else {
		all.add("address", text(address+":"+strconv.Itoa(c.port)))
	}
	all.add("interval", period(uint32(c.interval)))
	// gdnsd asks no sooner while the results disagree with the status.
	all.add("fast_interval", period(uint32(c.interval)))
	all.add("timeout", period(uint32(c.timeout)))
	all.add("rise", strconv.Itoa(c.rise))
	all.add("fall", strconv.Itoa(c.fall))
	w.table("checks."+c.name, all)
}

func (w *writer) pool(p *pool) {
	w.WriteString("\n")
	w.comment("", fmt.Sprintf("%s, %s", p.from, p.place))
	w.remarks(p.remarks)
	var all settings
	if p.cname != "" {
		all.add("cname", text(strings.TrimSuffix(p.cname, ".")))
	} else {
		var addrs []string
		for _, addr := range p.members {
			addrs = append(addrs, addr.String())
		}
		all.add("members", textList(addrs))
	}
	if len(p.checks) > 0 {
		var names []string
		for _, c := range p.checks {
			names = append(names, c.name)
		}
		all.add("checks", textList(names))
	}
	for _, q := range []struct {
		key string
		quorum
	}{{"min_up", p.minUp}, {"min_up_ipv4", p.minUp4}, {"min_up_ipv6", p.minUp6}} {
		switch {
		case q.percent > 0:
			all.add(q.key, text(strconv.Itoa(q.percent)+"%"))
		case q.count > 0:
			all.add(q.key, strconv.Itoa(q.count))
		}
	}
	if p.weighted {
		all.add("weight", strconv.Itoa(p.weight))
	}
	if p.location != nil {
		all.add("location", fmt.Sprintf("[%s, %s]", number(p.location.latitude), number(p.location.longitude)))
	}
	if len(p.vars) > 0 {
		var vars []string
		for _, v := range p.vars {
			vars = append(vars, v.name+" = "+text(v.value))
		}
		all.add("vars", "{ "+strings.Join(vars, ", ")+" }")
	}
	w.table("pools."+p.name, all)
}

// number is a number as TOML has a float.
func number(x float64) string {
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func (w *writer) zone(z *zone) {
	w.WriteString("\n")
	w.comment("", z.file)
	w.notes(z.remarks)
	w.table("zones."+text(strings.TrimSuffix(z.name, ".")), settings{{"records", z.text()}})
}

// text is the records of a zone as TOML has a text of several lines.
func (z *zone) text() string {
	common := z.commonTTL()
	widths := [3]int{}
	rows := make([][4]string, len(z.records))
	for i, r := range z.records {
		row := &rows[i]
		*row = [4]string{z.relative(r.owner), "", r.word, r.text}
		if r.ttl != common {
			row[1] = strconv.FormatUint(uint64(r.ttl), 10)
		}
		if i > 0 && row[0] == z.relative(z.records[i-1].owner) {
			row[0] = "" // as that of the line before
		}
		for j := range widths {
			if n := len(row[j]); n <= mostColumn {
				widths[j] = max(widths[j], n)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "$TTL %d\n", common)
	for _, row := range rows {
		for j, cell := range row[:3] {
			if widths[j] > 0 || cell != "" {
				fmt.Fprintf(&b, "%-*s ", widths[j], cell)
			}
		}
		b.WriteString(row[3] + "\n")
	}
	lines := b.String()
	if strings.Contains(lines, `\`) && !strings.Contains(lines, "'''") {
		return "'''\n" + lines + "'''"
	}
	lines = strings.ReplaceAll(lines, `\`, `\\`)
	return `"""` + "\n" + strings.ReplaceAll(lines, `"""`, `""\"`) + `"""`
}

// mostColumn is the longest name that others are aligned with.
const mostColumn = 30

// commonTTL is the one that most records have; of several, the smallest.
func (z *zone) commonTTL() uint32 {
	count := make(map[uint32]int)
	var most uint32
	for _, r := range z.records {
		count[r.ttl]++
		if n := count[r.ttl]; n > count[most] || n == count[most] && r.ttl < most {
			most = r.ttl
		}
	}
	return most
}

func (w *writer) name(z *zone, n *name) {
	w.WriteString("\n")
	w.comment("", fmt.Sprintf("%s, %s", n.from, n.place))
	w.remarks(n.remarks)
	var all settings
	if n.policy != "" {
		all.add("policy", text(n.policy))
	}
	first := n.routes[0] // the default, if there is one
	plain := len(n.routes) == 1 && first.view == ""
	if plain {
		all.add("pools", n.tiers(first))
	}
	all.add("ttl", period(n.ttl))
	all.add("ttl_min", period(n.min))
	if n.maxAnswers > 0 {
		all.add("max_answers", strconv.Itoa(n.maxAnswers))
	}
	if n.panicBelow > 0 {
		all.add("panic_below", text(strconv.Itoa(n.panicBelow)+"%"))
	}
	if n.fallback != nil {
		all.add("when_all_down", text("fallback"))
		all.add("fallback", text(n.fallback.name))
	}
	if len(n.fence) > 0 {
		all.add("fence", textList(n.fence))
	}
	header := "zones." + text(strings.TrimSuffix(z.name, ".")) + ".names." + bareKey(n.key)
	w.table(header, all)
	if plain {
		return
	}
	var views settings
	for _, r := range n.routes {
		if r.view != "" {
			views.add(bareKey(r.view), n.tiers(r))
		}
	}
	if first.view == "" {
		views.add("default", n.tiers(first))
	}
	w.WriteString("\n")
	w.table(header+".views", views)
}

// tiers is the tiers of a route: a list of pools under failover, or where there is one tier, and a list
// of lists otherwise.
func (n *name) tiers(r route) string {
	var items []string
	for _, t := range r.tiers {
		var names []string
		for _, p := range t.pools {
			names = append(names, p.name)
		}
		if n.policy == "" || len(r.tiers) == 1 {
			for _, one := range names {
				items = append(items, text(one))
			}
		} else {
			items = append(items, textList(names))
		}
	}
	return listOf(items)
}

// period is a number of seconds as TOML has it.
func period(seconds uint32) string { return text(span(seconds)) }

// span is a number of seconds as a person writes it: 1h, not 1h0m0s.
func span(seconds uint32) string {
	s := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// text is a string as TOML has it.
func text(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "?") {
		switch {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func textList(all []string) string {
	items := make([]string, len(all))
	for i, s := range all {
		items[i] = text(s)
	}
	return listOf(items)
}

// listOf is a list, on one line if it is short.
func listOf(items []string) string {
	line := "[" + strings.Join(items, ", ") + "]"
	if len(line) <= width {
		return line
	}
	return "[\n  " + strings.Join(items, ",\n  ") + ",\n]"
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func bareKey(s string) string {
	if bare.MatchString(s) {
		return s
	}
	return text(s)
}
