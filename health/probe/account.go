package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// slowSource is how long a source of credentials may take to answer before it is set up anew. On a
// host outside AWS, nothing answers at the address of the instance metadata.
const slowSource = 30 * time.Second

// account is the AWS configuration that all DynamoDB probes share. They use its credentials, and
// its roots to verify AWS. The first probe that needs it loads it; if that fails, a later one does.
// It is safe for concurrent use.
type account struct {
	load func(context.Context) (aws.Config, error)
	// state holds one value, which may be changed by whoever has taken it out. A channel is used
	// instead of a mutex, since waiting for it can end with a context.
	state chan accountState
}

// accountState is a configuration and when it was loaded; the zero value is none.
type accountState struct {
	config *aws.Config
	loaded time.Time
}

// newAccount makes an account that is loaded by a function; nil: as the SDK does.
func newAccount(load func(context.Context) (aws.Config, error)) *account {
	if load == nil {
		load = defaultChain
	}
	a := &account{load: load, state: make(chan accountState, 1)}
	a.state <- accountState{}
	return a
}

// errSettings marks a configuration that could not be loaded. The cause need not concern
// credentials: the SDK refuses to load anything if it does not understand one setting.
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
		a.state <- s // first, so that the probe can forget it again
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

// forget makes the next probe load the configuration again, after its credentials were refused or
// none were found. Their files may have changed since. The SDK reads them only once, and treats a
// file that it cannot open as empty.
func (a *account) forget(config *aws.Config) {
	select {
	case s := <-a.state:
		if s.config == config {
			s = accountState{}
		}
		a.state <- s
	default: // it is being loaded
	}
}

// forgetSlow forgets a configuration whose source of credentials does not answer within slowSource.
// Until then the source goes on in the background, so that a slow one may succeed for a later
// probe.
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
