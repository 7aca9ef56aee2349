package operate

import (
	"errors"
	"time"

	"gslb/admin/api"
	"gslb/zones/problem"
)

// Refused describes a configuration that is not taken into use, and why. The hash is of what was read; loaded says
// whether it could be loaded.
func Refused(path, hash string, at time.Time, loaded bool, err error) *api.RefusedConfig {
	all := problem.Each(err)
	r := &api.RefusedConfig{Path: path, Hash: hash, Since: at, Loaded: loaded, Problems: []api.ConfigProblem{}, ProblemsTotal: len(all)}
	if many := new(problem.Errors); errors.As(err, &many) {
		r.ProblemsTotal = many.Total()
	}
	for _, err := range all[:min(len(all), problem.Shown, r.ProblemsTotal)] {
		r.Problems = append(r.Problems, configProblem(path, err))
	}
	return r
}

// configProblem is a problem with where it is, as far as that is known.
func configProblem(path string, err error) api.ConfigProblem {
	p, is := err.(*problem.Problem) // not one that it wraps, which would leave out what is said around it
	if !is {
		return api.ConfigProblem{File: path, Message: problem.Message(err.Error())}
	}
	c := api.ConfigProblem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Path, Message: problem.Message(p.Message)}
	if p.Source != (problem.Source{}) {
		c.Source = p.Source.String()
	}
	return c
}
