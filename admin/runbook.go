package admin

import (
	"bufio"
	"net/http"
	"regexp"
	"strings"

	"gslb/docs"
)

// block is a part of a text between empty lines.
type block struct {
	Kind  string // "h1", "h2", "h3", "p", "pre", "ul"
	ID    string // of a heading
	Text  string // of pre
	Items [][]span
}

// span is a part of a line.
type span struct {
	Kind, Text string // "", "code", "strong", "a"
	Link       string // of a: within the text
}

var (
	spans    = regexp.MustCompile("`([^`]+)`" + `|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)]+)\)`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// parseText reads the part of Markdown that docs/runbook.md is written in: headings, paragraphs, lists
// with "-", fenced blocks, and within them code, bold text and links.
func parseText(text string) []block {
	var blocks []block
	fenced := false
	begin := true // whether the next line begins a block
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "```"):
			if fenced = !fenced; fenced {
				blocks = append(blocks, block{Kind: "pre"})
			}
			begin = true
		case fenced:
			blocks[len(blocks)-1].Text += line + "\n"
		case strings.TrimSpace(line) == "":
			begin = true
		case mark == "#", mark == "##", mark == "###":
			blocks = append(blocks, block{Kind: "h" + string('0'+rune(len(mark))), ID: anchor(rest), Items: [][]span{spansOf(rest)}})
			begin = true
		case mark == "-":
			if last := len(blocks) - 1; last < 0 || blocks[last].Kind != "ul" {
				blocks = append(blocks, block{Kind: "ul"})
			}
			last := &blocks[len(blocks)-1]
			last.Items = append(last.Items, []span{{Text: rest}})
			begin = false
		case begin:
			blocks = append(blocks, block{Kind: "p", Items: [][]span{{{Text: line}}}})
			begin = false
		default: // goes on with the last line, which is not read yet
			items := blocks[len(blocks)-1].Items
			items[len(items)-1][0].Text += " " + strings.TrimSpace(line)
		}
	}
	for i := range blocks {
		if b := &blocks[i]; b.Kind == "p" || b.Kind == "ul" {
			for j := range b.Items {
				b.Items[j] = spansOf(b.Items[j][0].Text)
			}
		}
	}
	return blocks
}

// spansOf reads a line. A link that leads to another page becomes its text: these are not served.
func spansOf(line string) []span {
	var list []span
	at := 0
	for _, m := range spans.FindAllStringSubmatchIndex(line, -1) {
		if m[0] > at {
			list = append(list, span{Text: line[at:m[0]]})
		}
		at = m[1]
		switch {
		case m[2] >= 0:
			list = append(list, span{Kind: "code", Text: line[m[2]:m[3]]})
		case m[4] >= 0:
			list = append(list, span{Kind: "strong", Text: line[m[4]:m[5]]})
		case line[m[8]] == '#':
			list = append(list, span{Kind: "a", Text: line[m[6]:m[7]], Link: line[m[8]:m[9]]})
		default:
			list = append(list, span{Text: line[m[6]:m[7]]})
		}
	}
	if at < len(line) {
		list = append(list, span{Text: line[at:]})
	}
	return list
}

// anchor is the ID of a heading, as GitHub makes it: links lead to the same place there.
func anchor(heading string) string {
	return strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// serveRunbook answers /runbook.
func (s *Server) serveRunbook(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	err := s.stream(r.Context(), w, func(out *bufio.Writer) error {
		return pageTemplates.ExecuteTemplate(out, "runbook.html", parseText(docs.Runbook))
	})
	if err != nil {
		refuseBusy(w, err)
	}
}
