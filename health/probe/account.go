package probe

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// account is the AWS configuration that all DynamoDB probes share. It is loaded by the
// first probe that needs it, one at a time, and by a later one if that fails. It is safe
// for concurrent use.
type account struct {
	load func(context.Context) (aws.Config, error)
	// state holds the one value of its kind; whoever has taken it out may change it. A
	// channel, unlike a mutex, can be waited for no longer than a context lasts.
	state chan accountState
}

type accountState struct {
	loaded bool
	config aws.Config
}

func newAccount(load func(context.Context) (aws.Config, error)) *account {
	a := &account{load: load, state: make(chan accountState, 1)}
	a.state <- accountState{}
	return a
}

// config returns the configuration, or an error once ctx is done.
func (a *account) config(ctx context.Context) (aws.Config, error) {
	var s accountState
	select {
	case s = <-a.state:
	case <-ctx.Done():
		return aws.Config{}, ctx.Err()
	}
	defer func() { a.state <- s }()

	if s.loaded {
		return s.config, nil
	}
	config, err := a.load(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	s = accountState{loaded: true, config: config}
	return config, nil
}
