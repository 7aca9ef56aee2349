package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
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
// not be done. It never takes longer than settleMost.
const (
	settle     = 200 * time.Millisecond
	settleMost = 2 * time.Second
)

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
	var first time.Time // of the events since the files were last read
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-notifier.Events:
			// A folder in which something is always written must not put it off for ever.
			if first.IsZero() {
				first = time.Now()
			}
			settled.Reset(max(0, min(settle, settleMost-time.Since(first))))
		case err := <-notifier.Errors:
			w.logger.Warn("a change of the configuration may have been missed", "error", err)
			settled.Reset(settle)
		case <-settled.C:
			first = time.Time{}
			w.config.ReloadIfChanged(ctx)
			w.look(notifier) // the files may be others now, after SIGHUP too
		}
	}
}

// look watches the folders of all files of the configuration that was last tried.
func (w *watcher) look(notifier *fsnotify.Watcher) {
	for _, file := range w.config.Files() {
		if err := notifier.Add(filepath.Dir(file)); err != nil {
			w.logger.Warn("changes of a file are not noticed: send SIGHUP to reload", "file", file, "error", err)
		}
	}
}
