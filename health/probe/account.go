package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// slowSource is how long a source of credentials may take without an answer before it is
// set up anew: on a host that is none of Amazon's, nobody answers at the instance's address.
const slowSource = 30 * time.Second

// account is the AWS configuration that all DynamoDB probes share, of which they use the
// credentials and the roots to verify AWS by. It is loaded by the first probe that needs
// it, one at a time, and by a later one if that fails. It is safe for concurrent use.
type account struct {
	load func(context.Context) (aws.Config, error)
	// state holds the one value of its kind; whoever has taken it out may change it. A
	// channel, unlike a mutex, can be waited for no longer than a context lasts.
	state chan accountState
}

// accountState is a configuration and when it was loaded; the zero value is none.
type accountState struct {
	config *aws.Config
	loaded time.Time
}

func newAccount(load func(context.Context) (aws.Config, error)) *account {
	a := &account{load: load, state: make(chan accountState, 1)}
	a.state <- accountState{}
	return a
}

// errSettings marks a configuration that could not be loaded. What is wrong need not have
// to do with credentials: the SDK refuses to load anything if it does not understand one
// setting.
var errSettings = errors.New("the AWS settings of this host are not valid")

// config returns the configuration, or an error once ctx is done.
func (a *account) config(ctx context.Context) (*aws.Config, error) {
	var s accountState
	select {
	case s = <-a.state:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.config != nil {
		a.state <- s
		return s.config, nil
	}

	// Loading reads files. If one of them hangs, on a network file system, the probe ends
	// without it, and so do all others until the file has been read.
	type outcome struct {
		config *aws.Config
		err    error
	}
	over := make(chan outcome, 1)
	go func() {
		var s accountState
		loaded, err := a.load(ctx)
		if err == nil {
			s = accountState{&loaded, time.Now()}
		}
		a.state <- s // first, so that the probe can already forget it
		over <- outcome{s.config, err}
	}()
	select {
	case o := <-over:
		if o.err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("%w: %w", errSettings, o.err)
		}
		return o.config, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forget has the configuration loaded anew by the next probe: its credentials were refused,
// or none were found, and the files that they come from may have changed since, or could
// not be opened then. The SDK reads them but once, and takes one that it cannot open for
// empty.
func (a *account) forget(config *aws.Config) {
	select {
	case s := <-a.state:
		if s.config == config {
			s = accountState{}
		}
		a.state <- s
	default: // somebody loads it right now
	}
}

// forgetSlow forgets a configuration whose source of credentials does not answer. It goes
// on in the background, so that one that is merely slow may succeed for a later probe.
func (a *account) forgetSlow(config *aws.Config) {
	select {
	case s := <-a.state:
		if s.config == config && time.Since(s.loaded) > slowSource {
			s = accountState{}
		}
		a.state <- s
	default:
	}
}
