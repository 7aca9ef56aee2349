package probe

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
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
	config *aws.Config
}

func newAccount(load func(context.Context) (aws.Config, error)) *account {
	a := &account{load: load, state: make(chan accountState, 1)}
	a.state <- accountState{}
	return a
}

// config returns the configuration, or an error once ctx is done.
func (a *account) config(ctx context.Context) (*aws.Config, error) {
	var s accountState
	select {
	case s = <-a.state:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { a.state <- s }()

	if s.loaded {
		return s.config, nil
	}
	loaded, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	s = accountState{loaded: true, config: &loaded}
	return s.config, nil
}

// forget has the configuration loaded anew by the next probe: its credentials were refused,
// and may have been renewed in a file, which the SDK reads but once.
func (a *account) forget(config *aws.Config) {
	select {
	case s := <-a.state:
		if s.loaded && s.config == config {
			s = accountState{}
		}
		a.state <- s
	default: // somebody loads it right now
	}
}

// defaultChain finds credentials where the SDK looks for them.
func defaultChain(ctx context.Context) (aws.Config, error) {
	// The SDK would write lines of its own to standard error; what matters of them is in
	// the probe's result.
	return config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
}
