package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gslb/health"
	"gslb/internal/command"
)

// execProbe runs a program, and judges by how it ends.
//
//	the program                                verdict
//	exits with 0                               pass
//	exits with 1                               fail
//	exits with another status                  indeterminate
//	is ended by a signal                       indeterminate
//	writes without end, and is killed          indeterminate
//	does not end in its time, and is killed    fail, as with every other kind
//	gets no place among those that may run     indeterminate
//	can't be started                           indeterminate
//
// Its time begins with its start: waiting for others is not the target's fault.
type execProbe struct {
	spec   *health.Exec
	runner *command.Runner // nil: nothing is run here
	env    []string
	hidden hidden // secrets of the environment, which the program may write
}

func newExec(runner *command.Runner, t *health.Target, spec *health.Exec) (health.Probe, error) {
	if len(spec.Command) == 0 {
		return nil, errors.New("command: it is empty")
	}
	if runner != nil {
		if err := executable(spec.Command[0]); err != nil {
			return nil, fmt.Errorf("command: %w", err)
		}
	}
	p := &execProbe{spec: spec, runner: runner, env: environment(t, spec)}
	for name, value := range spec.Env {
		if secretName.MatchString(name) {
			p.hidden.add(value, shortestSecret)
		}
	}
	return p.probe, nil
}

// executable says why a file can't be a program. Whether this process may run it turns out then.
func executable(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not an absolute path", path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not a file that can be executed; set its mode, as by chmod +x", path)
	}
	return nil
}

// environment is all that a program is told but for its time. Nothing of this process's own environment is
// in it, which may hold credentials.
func environment(t *health.Target, spec *health.Exec) []string {
	env := []string{command.Path, "GSLB_CHECK=" + t.Check, "GSLB_TARGET=" + string(t.ID)}
	for _, about := range []struct{ name, value string }{{"ADDRESS", spec.Address}, {"POOL", spec.Pool}, {"REGION", spec.Region}} {
		if about.value != "" {
			env = append(env, "GSLB_"+about.name+"="+about.value)
		}
	}
	if _, ok := spec.Env["PATH"]; ok {
		env = env[1:]
	}
	for name, value := range spec.Env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

func (p *execProbe) probe(ctx context.Context) health.Result {
	if p.runner == nil {
		return indeterminate("off", "commands are not run here")
	}
	c := command.Command{Args: p.spec.Command, Env: p.env}
	if deadline, limited := ctx.Deadline(); limited {
		c.Time = time.Until(deadline)
		seconds := c.Time.Round(time.Millisecond).Seconds()
		c.Env = append(slices.Clip(c.Env), "GSLB_TIMEOUT="+strconv.FormatFloat(seconds, 'f', -1, 64))
	}
	began := time.Now()
	end, err := p.runner.Run(ctx, c)
	result := p.judge(end, err)
	if len(p.hidden.values) > 0 {
		result.Detail = p.hidden.remove(result.Detail)
	}
	p.tell(traceOf(ctx), c, end, began, result)
	return result
}

func (p *execProbe) judge(end command.Outcome, err error) health.Result {
	said := firstLine(end)
	switch {
	case errors.Is(err, context.Canceled):
		return canceled()
	case errors.Is(err, command.ErrBusy):
		return indeterminate("busy", "it was not run: %v (exec_parallel of [server])", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fail("timeout", "timeout: it was killed%s", said)
	case errors.Is(err, command.ErrFlood):
		return indeterminate("output", "%v%s", err, said)
	case err != nil:
		return indeterminate("local", "%v", err)
	case end.Signal != 0:
		return indeterminate("exit", "it was ended by a signal: %v%s", end.Signal, said)
	case end.Code == 0:
		return pass("exit status 0" + said)
	case end.Code == 1:
		return fail("exit", "exit status 1%s", said)
	}
	return indeterminate("exit", "exit status %d%s", end.Code, said)
}

// firstLine is the first line that a program wrote, to its standard output if it wrote something there,
// as the end of a detail.
func firstLine(end command.Outcome) string {
	for _, text := range [][]byte{end.Stdout, end.Stderr} {
		line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
		if len(line) > 0 {
			return ": " + string(bytes.TrimSpace(line))
		}
	}
	return ""
}

// tell traces what was run and what it wrote.
func (p *execProbe) tell(trace *trace, c command.Command, end command.Outcome, began time.Time, result health.Result) {
	if trace == nil {
		return
	}
	trace.hide(p.hidden.values...)
	words := make([]string, len(c.Args))
	for i, word := range c.Args {
		words[i] = strconv.Quote(word)
	}
	trace.step(Step{Phase: Run, Began: began, Text: strings.Join(words, " "), Facts: c.Env}, nil)
	for _, stream := range []struct {
		name string
		data []byte
	}{{"standard output", end.Stdout}, {"standard error", end.Stderr}} {
		if len(stream.data) > 0 {
			trace.received(Response, began, stream.data, int64(len(stream.data)), " of its "+stream.name, nil)
		}
	}
}
