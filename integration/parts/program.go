package parts

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"text/template"
)

// Program is how to run a program that this package has no part for, or one of which it is
// to run in another way.
type Program struct {
	Name string // of the part
	Path string // of the program, or the name of one that is installed
	Args []string
	Dir  string   // working directory; empty: the lab's folder
	Env  []string // besides PATH, HOME and LANG, all that the program sees
	// Ready returns nil once the program serves.
	Ready func(context.Context) error
}

// StartProgram starts a program and returns once it serves. It must stay in the foreground.
func (l *Lab) StartProgram(ctx context.Context, p Program) (*Part, error) {
	path, err := find(p.Path)
	if err != nil {
		return nil, err
	}
	return l.start(ctx, program{name: p.Name, path: path, args: p.Args, dir: p.Dir, env: p.Env, ready: p.Ready})
}

// Output runs a program to its end, outside of any lab, and returns what it writes to its
// standard output and error: also with an error, where it exits with another status than 0.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	path, err := find(name)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), err
}

//go:embed templates
var templates embed.FS

// render writes a configuration file from one of the templates of the parts.
func render(file, name string, data any) error { return Render(file, templates, name, data) }

// Render writes a configuration file from the template of that name, in the folder "templates".
func Render(file string, templates fs.FS, name string, data any) error {
	parsed, err := template.ParseFS(templates, "templates/"+name)
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := errors.Join(parsed.Execute(out, data), out.Close()); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return nil
}
