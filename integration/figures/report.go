package figures

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Report is where a measurement tells what it found, and how far it is.
type Report struct {
	Out      io.Writer // paragraphs and tables, as Markdown
	Progress io.Writer
}

// Say reports progress.
func (r *Report) Say(format string, args ...any) { fmt.Fprintf(r.Progress, format+"\n", args...) }

// Print writes a paragraph.
func (r *Report) Print(format string, args ...any) { fmt.Fprintf(r.Out, format+"\n\n", args...) }

// Table writes a table under a paragraph that says what it shows.
func (r *Report) Table(t *Table, format string, args ...any) {
	r.Print(format, args...)
	fmt.Fprintln(r.Out, t) // which ends its last line
}

// Parse reads the flags of a command, which define adds. It takes no other arguments.
func Parse(command string, args []string, define func(*flag.FlagSet)) error {
	flags := flag.NewFlagSet("bench "+command, flag.ContinueOnError)
	define(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no argument %q", command, flags.Arg(0))
	}
	return nil
}

// Lock makes a folder its holder's alone, until it is closed or this program ends. A second
// measurement at the same time would take the processors, and the files, of the first.
func Lock(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if err == unix.EWOULDBLOCK {
			err = errors.New("another bench runs there, and each would spoil the other's figures; wait until it has ended")
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), file.Close())
	}
	return file, nil
}
