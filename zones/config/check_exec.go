package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gslb/health"
)

// execCheck reads what is particular to a check of type exec.
func (l *loader) execCheck(c *check, raw *rawExec) {
	if l.set.Server.ExecParallel == 0 {
		l.Add(c.at.Key("type"), `found "exec"; expected allow_exec = true in [server], since commands run as the user of this program`)
	}
	at := c.at.Key("command")
	if raw.Command != nil && len(raw.Command) == 0 {
		l.Add(at, "found an empty list; expected the path of a program and its arguments")
	}
	var command []*text
	for i, word := range raw.Command {
		valid := validArgument
		if i == 0 {
			valid = validProgram
		}
		command = append(command, l.text(c, at.Index(i), word, never, whole(valid)))
	}
	env := make(map[string]*text, len(raw.Env))
	for _, name := range sortedKeys(raw.Env) {
		at := c.at.Key("env").Key(name)
		switch {
		case !varName.MatchString(name):
			l.Add(at, `found %q; expected letters, digits and "_", and no digit first`, name)
		case strings.HasPrefix(name, ownVariables):
			l.Add(at, "found %q; expected another name, %s… are set by the probe", name, ownVariables)
		}
		env[name] = l.text(c, at, raw.Env[name], never, whole(validArgument))
	}
	if len(command) == 0 {
		return
	}
	perMember := c.perMember()
	c.spec = func(f *filling) health.Spec {
		spec := &health.Exec{Pool: f.values[placeholderPool], Region: f.values[placeholderRegion]}
		if perMember {
			spec.Address = f.values[placeholderAddress]
		}
		for _, word := range command {
			spec.Command = append(spec.Command, f.fill(word))
		}
		for name, value := range env {
			if spec.Env == nil {
				spec.Env = make(map[string]string, len(env))
			}
			spec.Env[name] = f.fill(value)
		}
		return spec
	}
}

// ownVariables is how the variables begin that tell a command what it is run for.
const ownVariables = "GSLB_"

// validProgram says what is wrong with the path of a program. Nothing searches for it, and there is no
// folder that a relative one could start from.
func validProgram(s string) error {
	if !filepath.IsAbs(s) {
		return fmt.Errorf("found %q; expected the absolute path of a program, no shell reads this", s)
	}
	return validArgument(s)
}

// validArgument says what no program can be told.
func validArgument(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("found a NUL character; expected none, it would end the text")
	}
	return nil
}
