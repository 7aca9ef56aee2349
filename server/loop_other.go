//go:build !linux

package server

import (
	"context"
	"errors"
)

// loop is what serves TCP where there is epoll.
type loop struct{}

func newLoops(*tcpServer) ([]*loop, error) { return nil, errors.ErrUnsupported }

func runLoops(context.Context, []*loop) {}
