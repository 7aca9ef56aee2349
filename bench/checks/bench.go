// Package checks measures health checking: how long failover takes, how fast a server starts, and
// what very many targets cost. It compares gslb with gdnsd and HAProxy.
package checks

import (
	"os"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// bench is what every measurement works with.
type bench struct {
	*figures.Report
	dir string // of configurations
	lab *parts.Lab
}

// newBench makes a bench in a folder, which it empties.
func newBench(report *figures.Report, dir string) (*bench, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	lab, err := parts.NewLab(dir)
	if err != nil {
		return nil, err
	}
	return &bench{Report: report, dir: dir, lab: lab}, nil
}

// print writes a table under lines that say what it shows, and on what machine.
func (b *bench) print(what string, t *figures.Table) { b.Table(t, "%s\n%s", what, figures.Host()) }
