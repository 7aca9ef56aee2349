package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"gslb/zones"
	"gslb/zones/masterfile"
	"gslb/zones/problem"
	"gslb/zones/records"
)

// LoadOptions is what a configuration depends on besides its files.
type LoadOptions struct {
	// Now is the moment of loading; the serials of the zones come from it.
	Now time.Time
	// Serials returns what each zone had when it was last served, by its fully qualified
	// name in lower case; it is told where the configuration keeps its state. It may be nil.
	Serials func(stateDir string) map[string]zones.Serial
	// Read is told which files were read, or should have been, and their Digest, whether
	// loading succeeds or not. It may be nil.
	Read func(files []string, digest string)
}

// Load reads and validates a configuration, and the files that it names: paths in it are
// relative to the folder that it lies in, except for state_dir. It fails with [Errors] if the
// content is wrong, and otherwise wraps the error of reading the file at path.
func Load(path string, o LoadOptions) (*zones.Set, error) {
	files := newFiles(path)
	if o.Read != nil {
		defer func() { o.Read(files.paths, files.hash()) }()
	}
	data, err := files.read(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return parse(data, path, files, o)
}

// Parse is Load for a configuration whose bytes have been read already. The files that it
// names are read as if it had stood at path.
func Parse(data []byte, path string, o LoadOptions) (*zones.Set, error) {
	files := newFiles(path)
	files.note(path, data)
	return parse(data, path, files, o)
}

func parse(data []byte, path string, files *files, o LoadOptions) (*zones.Set, error) {
	var tree map[string]any
	meta, err := toml.Decode(string(data), &tree)
	if err != nil {
		return nil, syntaxErrors(data, path, err)
	}

	l := newLoader(path, files, o)
	var raw rawFile
	l.decoder.table(nil, tree, &raw, "")
	l.load(&raw)
	if errs := l.Errors(meta.Keys()); errs != nil {
		return nil, errs
	}
	return l.set, nil
}

// syntaxErrors is the one problem of a file that is not TOML.
func syntaxErrors(data []byte, path string, err error) problem.Errors {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return problem.Errors{{Path: path, Message: err.Error()}}
	}
	// Only the parser's offset can be relied on, and that only within bounds: its column
	// belongs to the line before where an error is at the beginning of a line.
	before := data[:max(0, min(syntax.Position.Start, len(data)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return problem.Errors{{
		Path: fmt.Sprintf("%s:%d:%d", path, line, column),
		// The parser may quote the file, line breaks and all.
		Message: strings.ReplaceAll(syntax.Message, "\n", " "),
	}}
}

// loader makes the finished configuration from the raw one.
type loader struct {
	*problem.Report
	decoder *decoder
	options LoadOptions
	files   *files
	set     *zones.Set

	serials   map[string]zones.Serial // of an earlier run or configuration
	checks    map[string]*check
	pools     map[string]*pool
	zones     map[string]*zone // by fully qualified name
	ordered   []*zone          // in canonical order
	records   *records.Builder // of the zone at hand
	limits    masterfile.Limits
	targets   targets
	steerings map[string]*zones.Steering // by Key
	alike     map[string]*zones.Steering // by the signature of their tables
	signature []byte                     // scratch
}

func newLoader(path string, files *files, o LoadOptions) *loader {
	r := new(problem.Report)
	return &loader{
		Report:    r,
		decoder:   newDecoder(r),
		options:   o,
		files:     files,
		set:       &zones.Set{Path: path, Loaded: o.Now},
		checks:    make(map[string]*check),
		pools:     make(map[string]*pool),
		zones:     make(map[string]*zone),
		records:   new(records.Builder),
		limits:    masterfile.DefaultLimits(),
		steerings: make(map[string]*zones.Steering),
		alike:     make(map[string]*zones.Steering),
	}
}

// load fills in the set, in the order in which things refer to each other.
func (l *loader) load(raw *rawFile) {
	l.server(&raw.Server, raw.Admin)
	if l.options.Serials != nil {
		l.serials = l.options.Serials(l.set.Server.StateDir)
	}
	for _, name := range sortedKeys(raw.Checks) {
		l.check(name, raw.Checks[name])
	}
	for _, name := range sortedKeys(raw.Pools) {
		l.pool(name, raw.Pools[name])
	}
	l.set.Targets = l.targets.finish()
	l.allZones(raw.Zones)
	l.unused()
	l.set.Hash, l.set.Files = l.files.hash(), l.files.paths
}

// unused reports what nothing else refers to.
func (l *loader) unused() {
	for _, c := range l.checks {
		if c != nil && !c.used {
			l.Add(c.at, "no pool uses this check; list it in a pool's checks, or remove it")
		}
	}
	for _, p := range l.pools {
		if !p.used {
			l.Add(p.at, "no name uses this pool; list it in a name's pools, or remove it")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
