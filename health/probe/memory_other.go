//go:build !linux

package probe

import "errors"

// inMemory is not possible here.
func inMemory([]byte) (path string, release func(), err error) { return "", nil, errors.ErrUnsupported }
