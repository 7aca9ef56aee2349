package override

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/internal/files"
)

// memDisk is a disk in memory that has one folder, and that can crash, fail and hang. What was written
// and not synced is torn by a crash, and a rename that was not synced may be lost by it.
type memDisk struct {
	mu      sync.Mutex
	inodes  map[string]*inode // by path: what processes see
	durable map[string]*inode // what a crash leaves
	serial  int

	steps int           // operations that write, so far
	fail  int           // the operation of that number fails, and those after it; 0: none
	hang  chan struct{} // operations wait until it is closed; nil: they don't
	deny  error         // of Rename
}

type inode struct {
	data   []byte
	synced int // how much of data a crash leaves
}

var errDead = errors.New("the disk is dead")

func newMemDisk() *memDisk {
	return &memDisk{inodes: make(map[string]*inode), durable: make(map[string]*inode)}
}

// step is the begin of an operation that writes.
func (d *memDisk) step() error {
	d.mu.Lock()
	d.steps++
	hang, dead := d.hang, d.fail > 0 && d.steps >= d.fail
	d.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if dead {
		return errDead
	}
	return nil
}

// crash is the disk after a power failure: with the renames that were not synced, or without.
func (d *memDisk) crash(renamed bool) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.durable
	if renamed {
		names = d.inodes
	}
	after := newMemDisk()
	for path, node := range names {
		data := slices.Clone(node.data[:node.synced])
		after.inodes[path] = &inode{data, len(data)}
	}
	after.durable = maps.Clone(after.inodes)
	return after
}

// stall makes the disk hang until the function that it returns is called.
func (d *memDisk) stall() (respond func()) {
	hang := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hang = hang
	return func() {
		d.mu.Lock()
		d.hang = nil
		d.mu.Unlock()
		close(hang)
	}
}

func (d *memDisk) put(path, text string) {
	node := &inode{[]byte(text), len(text)}
	d.inodes[path], d.durable[path] = node, node
}

func (d *memDisk) paths() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.inodes))
}

func (d *memDisk) MkdirAll(string, fs.FileMode) error { return d.step() }

func (d *memDisk) CreateTemp(dir, pattern string) (files.SystemFile, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serial++
	path := filepath.Join(dir, strings.Replace(pattern, "*", fmt.Sprint(d.serial), 1))
	node := new(inode)
	d.inodes[path] = node
	return &memFile{d, path, node}, nil
}

func (d *memDisk) Rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deny != nil {
		return d.deny
	}
	d.inodes[to] = d.inodes[from]
	delete(d.inodes, from)
	return nil
}

func (d *memDisk) Remove(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inodes, path)
	return nil
}

func (d *memDisk) SyncDir(string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable = maps.Clone(d.inodes)
	return nil
}

func (d *memDisk) Read(path string, _ int64) ([]byte, error) {
	d.mu.Lock()
	hang, node := d.hang, d.inodes[path]
	d.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if node == nil {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(node.data), nil
}

func (d *memDisk) List(string) ([]string, error) {
	var names []string
	for _, path := range d.paths() {
		names = append(names, filepath.Base(path))
	}
	return names, nil
}

func (d *memDisk) Exists(path string) bool { return slices.Contains(d.paths(), path) }

type memFile struct {
	disk *memDisk
	path string
	node *inode
}

func (f *memFile) Name() string               { return f.path }
func (f *memFile) Close() error               { return f.disk.step() }
func (f *memFile) Stat() (fs.FileInfo, error) { return memInfo{node: f.node}, nil }

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.disk.step(); err != nil {
		return 0, err
	}
	f.node.data = append(f.node.data, p...)
	return len(p), nil
}

func (f *memFile) Sync() error {
	if err := f.disk.step(); err != nil {
		return err
	}
	f.node.synced = len(f.node.data)
	return nil
}

func (d *memDisk) Stat(path string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inodes[path] == nil {
		return nil, fs.ErrNotExist
	}
	return memInfo{node: d.inodes[path]}, nil
}

func (d *memDisk) IsIntact(path string, was fs.FileInfo) bool {
	is, err := d.Stat(path)
	return err == nil && is == was
}

type memInfo struct {
	fs.FileInfo
	node *inode
}

func (memInfo) ModTime() time.Time { return time.Time{} }
