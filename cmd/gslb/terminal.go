package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// plainWidth is how wide lines are that do not go to a terminal, or to one that does not say.
const plainWidth = 80

// screen is where a command writes for people.
type screen struct {
	io.Writer
	width    int
	terminal bool
	colour   bool
}

// newScreen finds out what a writer is: colour only goes to a terminal, and only if nobody asked for none
// (https://no-color.org).
func newScreen(w io.Writer) screen {
	s := screen{Writer: w, width: plainWidth}
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return s
	}
	s.terminal = true
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		s.width = min(max(int(size.Col), 40), 160)
	}
	return s
}

// isTerminal reports whether something is a terminal.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// person is who can be asked: whoever sits at the terminal that standard input comes from. There may be none,
// as in a script.
type person struct {
	terminal *os.File // nil: there is nobody
	says     *bufio.Reader
	close    bool
}

// personAt finds out who can be asked. Questions go to the terminal, since standard output and standard error
// may go elsewhere.
func personAt(cmd *cobra.Command) *person {
	in := cmd.InOrStdin()
	if !isTerminal(in) {
		return &person{}
	}
	p := &person{says: bufio.NewReader(in)}
	if tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0); err == nil {
		p.terminal, p.close = tty, true
	} else {
		p.terminal = os.Stderr
	}
	return p
}

func (p *person) there() bool { return p.terminal != nil }

func (p *person) leave() {
	if p.close {
		p.terminal.Close()
	}
}

// ask asks a question, and returns the answer in one line; empty: there was none.
func (p *person) ask(question string) string {
	if !p.there() {
		return ""
	}
	fmt.Fprint(p.terminal, question)
	line, _ := p.says.ReadString('\n')
	return strings.TrimSpace(line)
}

// reason is the one that was given or, where somebody can be asked, the answer.
func (p *person) reason(given string) (string, error) {
	if given == "" {
		given = p.ask("why? ")
	}
	if given == "" {
		return "", exit{2, errors.New(`nothing was done: say why by --reason "…", for those who find it later`)}
	}
	return given, nil
}

// confirm asks whether to go on. Where there is nobody to ask, the command line was the word.
func (p *person) confirm(question string) error {
	if !p.there() {
		return nil
	}
	switch strings.ToLower(p.ask(question + " [y/N] ")) {
	case "y", "yes":
		return nil
	}
	return exit{1, errors.New("nothing was done")}
}

// paint is how something is set off.
type paint string

const (
	noPaint paint = ""
	bold    paint = "1"
	red     paint = "31"
	green   paint = "32"
	yellow  paint = "33"
	faint   paint = "2"
)

// put writes a line, wrapped at the width, its further lines indented. Text from outside must be visible.
func (s screen) put(p paint, indent int, format string, args ...any) {
	lines := wrap(fmt.Sprintf(format, args...), s.width, indent)
	for i, line := range lines {
		if i > 0 {
			line = strings.Repeat(" ", indent) + line
		}
		fmt.Fprintln(s, s.painted(p, line))
	}
}

func (s screen) painted(p paint, text string) string {
	if !s.colour || p == noPaint || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// cell is one field of a table. It may hold any text.
type cell struct {
	text  string
	paint paint
}

// table prints rows in columns, of which the widest give way until a line fits the width. Nothing is cut
// off: what does not fit its column goes on in the next line.
func (s screen) table(head []string, rows [][]cell) {
	const gap = 2
	widths, words := make([]int, len(head)), make([]int, len(head)) // of the longest text and the longest word
	all := [][]cell{make([]cell, len(head))}
	for i, text := range head {
		all[0][i] = cell{text, bold}
	}
	for _, row := range rows {
		shown := make([]cell, len(head))
		for i, c := range row {
			shown[i] = cell{visible(strings.TrimSpace(c.text)), c.paint}
		}
		all = append(all, shown)
	}
	for _, row := range all {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
			for word := range strings.FieldsSeq(c.text) {
				words[i] = max(words[i], utf8.RuneCountInString(word))
			}
		}
	}
	s.fit(widths, words, gap)
	for _, row := range all {
		s.row(widths, row, gap)
	}
}

// fit makes columns narrower until they fit: first those that can be broken between words, then within.
func (s screen) fit(widths, words []int, gap int) {
	const narrowest = 8
	for {
		excess, widest, whole := gap*(len(widths)-1)-s.width, -1, false
		for i, w := range widths {
			excess += w
			breaks := w > max(words[i], narrowest)
			if w > narrowest && (widest < 0 || breaks && !whole || breaks == whole && w > widths[widest]) {
				widest, whole = i, breaks
			}
		}
		if excess <= 0 || widest < 0 {
			return
		}
		least := narrowest
		if whole {
			least = max(least, words[widest])
		}
		// By half, so that the next widest give way as well.
		widths[widest] = max(least, widths[widest]-(excess+1)/2)
	}
}

func (s screen) row(widths []int, row []cell, gap int) {
	lines := make([][]string, len(row))
	height := 1
	for i, c := range row {
		lines[i] = wrap(c.text, widths[i], 0)
		height = max(height, len(lines[i]))
	}
	for n := range height {
		var b strings.Builder
		blank := 0 // that follow, if anything does
		for i, c := range row {
			text := ""
			if n < len(lines[i]) {
				text = lines[i][n]
			}
			if text != "" {
				b.WriteString(strings.Repeat(" ", blank) + s.painted(c.paint, text))
				blank = 0
			}
			blank += widths[i] - utf8.RuneCountInString(text) + gap
		}
		fmt.Fprintln(s, b.String())
	}
}

// wrap breaks a text into lines of at most so many characters, the further ones less by an indent: at
// spaces where it can, else within a word.
func wrap(text string, width, indent int) []string {
	var lines []string
	rest := []rune(text)
	for len(rest) > width {
		at := width
		for i := width; i > 0; i-- {
			if rest[i] == ' ' {
				at = i
				break
			}
		}
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
		if len(lines) == 1 {
			width = max(1, width-indent)
		}
	}
	if len(rest) > 0 || len(lines) == 0 {
		lines = append(lines, string(rest))
	}
	return lines
}

// span is a time in the one or two units that matter: "45s", "12m", "3h5m", "4d2h".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	two := func(a time.Duration, unit string, b time.Duration, less string) string {
		text := fmt.Sprintf("%d%s", d/a, unit)
		if rest := d % a / b; rest > 0 {
			text += fmt.Sprintf("%d%s", rest, less)
		}
		return text
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < 10*time.Minute:
		return two(time.Minute, "m", time.Second, "s")
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return two(time.Hour, "h", time.Minute, "m")
	}
	return two(day, "d", time.Hour, "h")
}

// clockTime is a time of this machine's zone as people read it; of another day with its date.
func clockTime(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}
