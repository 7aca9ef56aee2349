package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyWait is how long the end of the program waits for the service manager.
const notifyWait = time.Second

// notify tells systemd, where it is systemd that started us, and returns at once: a service
// manager that does not read for a while is told when it does. That it can't be told is no
// reason not to serve.
func notify(what string) (told <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = daemon.SdNotify(false, what)
	}()
	return done
}

// notifyLast is notify for the last word before the program ends, which waits a moment for it
// to get out.
func notifyLast(what string) {
	select {
	case <-notify(what):
	case <-time.After(notifyWait):
	}
}
