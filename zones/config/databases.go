package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"gslb/geo"
	"gslb/internal/files"
	"gslb/zones/problem"
)

// maxDatabase is the limit of the size of a database in MaxMind's format, in bytes.
const maxDatabase = 2 << 30

// Databases is what loads have in common: what was made from the databases in MaxMind's format, and
// which files these are. A database is read again only if its stamp says that it may have changed.
// The zero value is ready for use, and methods are safe for concurrent use.
type Databases struct {
	library geo.Library

	mu    sync.Mutex
	known map[string]database // by path
}

// database is a file that was read as a database, or should have been.
type database struct {
	digest [sha256.Size]byte
	stamp  files.Stamp // that it had then; the zero value: a change may not show
}

// read returns the digest of a database and, if it had to be read for that, its content.
func (d *Databases) read(path string) (sum [sha256.Size]byte, content []byte, err error) {
	err = d.look(path, &sum, func() error {
		file, err := files.Open(path, maxDatabase)
		sum, content = sha256.Sum256(file.Data), file.Data
		return err
	})
	return sum, content, err
}

// digest is read without the memory for the content.
func (d *Databases) digest(path string) (sum [sha256.Size]byte, err error) {
	err = d.look(path, &sum, func() (err error) {
		sum, err = files.Digest(path, maxDatabase)
		return err
	})
	return sum, err
}

// look finds out the digest of a database, by its stamp if that says enough, or by reading it.
func (d *Databases) look(path string, sum *[sha256.Size]byte, read func() error) error {
	stamp, now := files.StampOf(path), time.Now()
	d.mu.Lock()
	known := d.known[path]
	d.mu.Unlock()
	if known.stamp == stamp && stamp != (files.Stamp{}) {
		*sum = known.digest
		return nil
	}
	err := read()
	if err != nil || !stamp.IsSettled(now) || stamp != files.StampOf(path) {
		stamp = files.Stamp{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[string]database)
	}
	d.known[path] = database{*sum, stamp}
	return err
}

// has reports whether a file was read as a database, or should have been.
func (d *Databases) has(path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.known[path]
	return ok
}

// Digest is the Hash of a configuration that would read these files, its Set.Files, as they
// are now. A file that cannot be read counts by the reason.
func (d *Databases) Digest(paths []string) string {
	f := newReader("")
	if len(paths) > 0 {
		f.main = paths[0]
	}
	for _, path := range paths {
		if !d.has(path) {
			_, _ = f.read(path) // files that cannot be read are recorded too
			continue
		}
		if sum, err := d.digest(path); err != nil {
			f.noteUnread(path, err)
		} else {
			f.noteSum(path, sum)
		}
	}
	return f.hash()
}

// geoIP reads which databases there are.
func (l *loader) geoIP(at *problem.Place, list []string) {
	if list != nil && len(list) == 0 {
		l.Add(at, "found an empty list; expected at least one database, or no such key")
	}
	distinct(l, at, list, func(at *problem.Place, name string) (path string, ok bool) {
		path = l.files.path(name)
		source, err := l.database(path)
		if err != nil {
			l.unreadable = true
			l.Add(at, "found %q; expected a readable database in MaxMind's format: %v", name, err)
			return path, false
		}
		source.Name = name
		l.sources = append(l.sources, source)
		return path, true
	})
}

// database notes a database, and returns it.
func (l *loader) database(path string) (geo.Source, error) {
	if err := l.files.permit(path); err != nil {
		l.files.noteUnread(path, err)
		return geo.Source{}, err
	}
	sum, content, err := l.databases.read(path)
	if err != nil {
		l.files.noteUnread(path, err)
		return geo.Source{}, err
	}
	l.files.noteSum(path, sum)
	read := func() ([]byte, error) {
		if content != nil {
			return content, nil
		}
		file, err := files.Open(path, maxDatabase)
		if err == nil && sha256.Sum256(file.Data) != sum {
			err = errors.New("it has changed while it was read")
		}
		return file.Data, err
	}
	return geo.Source{Digest: hex.EncodeToString(sum[:]), Read: read}, nil
}
