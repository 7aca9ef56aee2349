package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"gslb/zones"
)

// watcher reloads the configuration when one of its files has another content.
//
// It watches the folders rather than the files, since editors, and Kubernetes for its
// mounted volumes, replace a file by renaming another over it.
type watcher struct {
	config *configuration
	logger *slog.Logger
}

// settle is how long the files must rest before they are read: whoever writes them may
// not be done.
const settle = 200 * time.Millisecond

// Run watches until ctx ends. Where watching is not to be had, SIGHUP still reloads.
func (w *watcher) Run(ctx context.Context) error {
	notifier, err := fsnotify.NewWatcher()
	if err != nil {
		w.logger.Warn("changed files are not noticed: send SIGHUP to reload", "error", err)
		return nil
	}
	defer notifier.Close()

	w.look(notifier)
	settled := time.NewTimer(settle) // what changed before the watch began
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-notifier.Events:
			settled.Reset(settle)
		case err := <-notifier.Errors:
			w.logger.Warn("a change of the configuration may have been missed", "error", err)
			settled.Reset(settle)
		case <-settled.C:
			// A content that was refused is not tried again until it changes.
			if zones.Digest(w.config.Files()) != w.config.Tried() {
				w.config.Reload(ctx)
				w.look(notifier)
			}
		}
	}
}

// look watches the folders of all files that the live configuration was read from.
func (w *watcher) look(notifier *fsnotify.Watcher) {
	for _, file := range w.config.Files() {
		if err := notifier.Add(filepath.Dir(file)); err != nil {
			w.logger.Warn("changes of a file are not noticed: send SIGHUP to reload", "file", file, "error", err)
		}
	}
}
