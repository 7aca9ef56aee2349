package daemon

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"gslb/internal/files"
)

// watcher reloads the configuration when one of its files has another content.
//
// It polls the files instead of watching their folders with inotify(7). Watching would have to
// follow every link on the way to each file, and every folder that is removed and made again. It
// takes descriptors and watches, of which a host may have none left, and it does not work on
// network file systems. Polling costs one system call a file, about 2 µs. It is no slower, since
// files are read only after they have rested for seconds.
type watcher struct {
	config *configuration
	logger *slog.Logger
	settle time.Duration // how long all files must have rested before they are read
}

const (
	// settle is the usual time of rest: a writer may pause before it has finished.
	settle = 2 * time.Second
	// restless is how long files may keep changing before this is logged.
	restless = time.Minute
	// lookEvery is how often the files are looked at; less often if that would take more than
	// a lookShare of the time.
	lookEvery = 250 * time.Millisecond
	lookShare = 100
	// retryEvery is how often the files of a refused configuration are read again: some may have
	// become readable.
	retryEvery = 10 * time.Second
	// lookLate is how long looking or reading may take before this is logged.
	lookLate = 30 * time.Second
)

// Run watches until ctx ends.
func (w *watcher) Run(ctx context.Context) error {
	rest := rest{settle: w.settle}
	tried := time.Now()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		began := time.Now()
		paths := w.config.Files()
		ended := whenLate(lookLate, func() {
			w.logger.Error("changed files are not noticed: looking at them takes long, as a file system that does not respond may make it", "file", paths[0])
		})
		seen := look(paths)
		ended()
		now := time.Now()
		took := now.Sub(began)
		switch rest.next(seen, now) {
		case changing:
			if rest.say(now) {
				w.logger.Warn("the configuration is not reloaded, since its files go on changing: let them rest, or send SIGHUP", "for", restless, "settle", w.settle)
			}
		case rested:
			w.config.ReloadIfChanged(ctx)
			tried = time.Now()
		case same:
			if w.config.Status().Err != nil && now.Sub(tried) >= retryEvery {
				w.config.ReloadIfChanged(ctx)
				tried = time.Now()
			}
		}
		next.Reset(max(lookEvery, lookShare*took))
	}
}

// look returns the stamp of each file.
func look(paths []string) []files.Stamp {
	stamps := make([]files.Stamp, len(paths))
	for i, path := range paths {
		stamps[i] = files.StampOf(path)
	}
	return stamps
}

// rest finds out whether files have stopped changing. The first look counts as a change, since the
// files may have changed since they were read.
//
//	seen now    as when last rested   as at the last look    result
//	the same    yes                   –                      same
//	different   no                    no                     changing
//	different   no                    yes, not yet settle    changing
//	different   no                    yes, for settle        rested
type rest struct {
	settle time.Duration

	rested []files.Stamp // what was there when they last had come to rest
	last   []files.Stamp // what was there at the last look
	since  time.Time     // when last was first seen
	began  time.Time     // when they began to be different from rested
	said   bool
}

type restResult int

const (
	same     restResult = iota // as it was when it was last read
	changing                   // different, and perhaps not all that is to come
	rested                     // different, and to be read
)

// next takes in what is seen now.
func (r *rest) next(seen []files.Stamp, now time.Time) restResult {
	if slices.Equal(seen, r.rested) {
		*r = rest{settle: r.settle, rested: r.rested}
		return same
	}
	if r.began.IsZero() {
		r.began = now
	}
	if !slices.Equal(seen, r.last) {
		r.last, r.since = seen, now
		return changing
	}
	if now.Sub(r.since) < r.settle {
		return changing
	}
	*r = rest{settle: r.settle, rested: seen}
	return rested
}

// say reports, once, whether the files have kept changing for too long.
func (r *rest) say(now time.Time) bool {
	if r.said || now.Sub(r.began) < restless {
		return false
	}
	r.said = true
	return true
}
