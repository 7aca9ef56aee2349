package parts

import "context"

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
