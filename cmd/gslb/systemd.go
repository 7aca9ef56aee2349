package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyWait is how long the end of the program waits for the service manager.
const notifyWait = time.Second

// notify sends a message to systemd, if systemd started this process. It returns at once: the
// message is sent in the background, since the service manager may not read for a while. Errors are
// ignored.
func notify(what string) (told <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = daemon.SdNotify(false, what)
	}()
	return done
}

// notifyLast is notify for the last message of the program, and waits for a moment until it is
// sent.
func notifyLast(what string) {
	select {
	case <-notify(what):
	case <-time.After(notifyWait):
	}
}
