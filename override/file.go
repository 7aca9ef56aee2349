package override

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gslb/internal/files"
)

const (
	fileName    = "overrides.json"
	damagedName = fileName + ".damaged-"
	fileVersion = 1
	largestFile = 32 << 20
)

// disk is where the file is. That of a test hangs, fails, or loses in a crash what was not synced.
type disk interface {
	files.System
	Read(path string, limit int64) ([]byte, error)
	List(dir string) ([]string, error)
	Exists(path string) bool
	Stat(path string) (fs.FileInfo, error)
	// IsIntact reports whether the file is still the one that it was, and nobody has written to it.
	IsIntact(path string, was fs.FileInfo) bool
}

type osDisk struct{ files.OS }

func (osDisk) Read(path string, limit int64) ([]byte, error) { return files.Read(path, limit) }

func (osDisk) List(dir string) ([]string, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return folder.Readdirnames(-1)
}

func (osDisk) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

func (osDisk) IsIntact(path string, was fs.FileInfo) bool { return files.IsIntact(path, was) }

func (osDisk) Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// file is the file of a Book. It is used by one goroutine at a time.
type file struct {
	path   string // empty: there is none
	hold   func() error
	now    func() time.Time
	disk   disk
	asides []aside
	info   fs.FileInfo // of the file as it was read or written last; nil: there was none
}

func newFile(o Options) file {
	f := file{hold: o.Hold, now: o.Now, disk: o.disk}
	if o.Dir != "" {
		f.path = filepath.Join(o.Dir, fileName)
	}
	return f
}

// aside is a file of overrides that could not be used. It has another name, or, if it could not be given
// one, that of the file.
type aside struct {
	path  string
	cause string // empty: an earlier run knew it
}

// content is what the file has. Every reader refuses what it does not know, since an override that
// was passed over would be one that silently ended.
type content struct {
	Version   int        `json:"version"`
	Overrides []Override `json:"overrides"`
}

// load reads the file. If it can't be used, load sets it aside. Those that were set aside before are
// known from then on.
func (f *file) load() []Override {
	names, _ := f.disk.List(filepath.Dir(f.path))
	slices.Sort(names)
	for _, name := range names {
		path := filepath.Join(filepath.Dir(f.path), name)
		switch {
		case strings.HasPrefix(name, damagedName):
			f.asides = append(f.asides, aside{path: path})
		case files.IsLeftover(name, fileName):
			_ = f.disk.Remove(path) // one that stays only takes space
		}
	}
	data, err := f.disk.Read(f.path, largestFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // nobody can have kept anything there
	}
	var list []Override
	if err == nil {
		list, err = parse(data)
	}
	if err == nil {
		f.info, _ = f.disk.Stat(f.path)
		return list
	}
	f.asides = append(f.asides, aside{f.path, err.Error()})
	if err := f.setAside(); err != nil {
		f.asides[len(f.asides)-1].cause += "; " + err.Error()
	}
	return nil
}

// parse reads the content of the file.
func parse(data []byte) ([]Override, error) {
	var c content
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return nil, fmt.Errorf("it is damaged, or of another version of gslb: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("it is damaged: something follows its end")
	}
	if c.Version != fileVersion {
		return nil, fmt.Errorf("it has version %d, and this gslb reads version %d", c.Version, fileVersion)
	}
	seen := make(map[string]bool)
	for i := range c.Overrides {
		o := &c.Overrides[i]
		if err := o.Check(); err != nil {
			return nil, fmt.Errorf("it is damaged: override %d: %w", i+1, err)
		}
		if seen[o.ID()] {
			return nil, fmt.Errorf("it is damaged: %s is there twice", o.ID())
		}
		seen[o.ID()] = true
	}
	return c.Overrides, nil
}

// setAside gives a file that can't be used, if it still has the name of the file, a name under which
// nobody writes over it.
func (f *file) setAside() error {
	last := len(f.asides) - 1
	if last < 0 || f.asides[last].path != f.path {
		return nil
	}
	name := filepath.Join(filepath.Dir(f.path), damagedName+f.now().UTC().Format("20060102T150405Z"))
	path := name
	const most = 1000 // in one second; a folder that cannot be looked into has any name
	for i := 2; i <= most && f.disk.Exists(path); i++ {
		path = fmt.Sprintf("%s-%d", name, i)
	}
	if err := f.disk.Rename(f.path, path); err != nil {
		return fmt.Errorf("it cannot be set aside: %w", err)
	}
	f.asides[last].path = path
	return nil
}

// save replaces the file. When it returns without an error, the list would survive a crash.
func (f *file) save(list map[string]Override) error {
	if f.path == "" {
		return nil
	}
	if f.hold != nil {
		if err := f.hold(); err != nil {
			return err
		}
	}
	if err := f.setAside(); err != nil {
		return fmt.Errorf("%s is damaged: %w", f.path, err)
	}
	c := content{fileVersion, make([]Override, 0, len(list))}
	for _, id := range slices.Sorted(maps.Keys(list)) {
		c.Overrides = append(c.Overrides, list[id])
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	info, err := files.Replace(f.disk, f.path, append(data, '\n'))
	if err == nil {
		f.info = info
	}
	return err
}

// isIntact reports whether the file is as this process has read or written it.
func (f *file) isIntact() bool { return f.info == nil || f.disk.IsIntact(f.path, f.info) }

// forget forgets files that were set aside and that somebody has removed.
func (f *file) forget() {
	f.asides = slices.DeleteFunc(f.asides, func(a aside) bool { return !f.disk.Exists(a.path) })
}
