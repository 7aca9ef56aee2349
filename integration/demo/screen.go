package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// painter colours text by the status that it stands for.
type painter func(status, text string) string

func plain(_, text string) string { return text }

func coloured(status, text string) string {
	code := map[string]string{"up": "32", "down": "31", "unknown": "33"}[status]
	if code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// screen prints lines with the time before them. It only ever appends, so it is as readable
// in a file as on a terminal. Its methods are safe for concurrent use.
type screen struct {
	mu    sync.Mutex
	out   io.Writer
	now   func() time.Time
	paint painter
}

// newScreen makes a screen that is coloured if out is a terminal and NO_COLOR is not set.
func newScreen(out io.Writer) *screen {
	s := &screen{out: out, now: time.Now, paint: plain}
	if file, ok := out.(*os.File); ok && os.Getenv("NO_COLOR") == "" && isTerminal(file) {
		s.paint = coloured
	}
	return s
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	const device = os.ModeDevice | os.ModeCharDevice
	return err == nil && info.Mode()&device == device && file.Name() != os.DevNull
}

// say prints one line.
func (s *screen) say(format string, args ...any) { s.block([]string{fmt.Sprintf(format, args...)}) }

// block prints lines that belong together: the time stands before the first only.
func (s *screen) block(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	margin := s.now().Format("15:04:05.0") + "  "
	for _, line := range lines {
		fmt.Fprintln(s.out, margin+line)
		margin = strings.Repeat(" ", len(margin))
	}
}
