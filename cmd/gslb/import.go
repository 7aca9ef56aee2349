package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gslb/zones/gdnsd"
)

func importCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "import",
		Short: "make a zones.toml of another server's configuration",
	}
	command.AddCommand(importGdnsdCommand())
	return command
}

func importGdnsdCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "gdnsd DIR",
		Short: "make a zones.toml of a gdnsd configuration",
		Long: `gdnsd reads the folder of a gdnsd (3.x, usually /etc/gdnsd): its config, and the zone files
in its folder zones. It writes a zones.toml that answers alike.

What cannot be carried over, or is done otherwise, is listed on standard error, each with file
and line, and stands in zones.toml as a comment that begins with NOTE. Nothing is probed and
nothing of gdnsd's is changed. It exits with status 0 if something was written.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			result, err := gdnsd.Import(args[0])
			if result != nil {
				printNotes(cmd.ErrOrStderr(), args[0], result.Notes)
			}
			if err != nil {
				return fmt.Errorf("import %s: %w", args[0], err)
			}
			if output == "" {
				_, err = cmd.OutOrStdout().Write(result.Text)
				return err
			}
			return writeNew(output, result.Text)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "file to write, which must not exist yet (default: standard output)")
	return command
}

// printNotes lists what is not carried over.
func printNotes(w io.Writer, dir string, notes []gdnsd.Note) {
	for _, n := range notes {
		if !filepath.IsAbs(n.File) {
			n.File = filepath.Join(dir, n.File)
		}
		fmt.Fprintln(w, n)
	}
}

// writeNew writes a file, unless there is one: it may hold what somebody has changed since it was made.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already, and nothing was written: name another file, or remove that one", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	return err
}
