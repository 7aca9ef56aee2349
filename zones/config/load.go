package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"gslb/geo"
	"gslb/internal/files"
	"gslb/zones"
	"gslb/zones/masterfile"
	"gslb/zones/problem"
	"gslb/zones/records"
)

// LoadOptions is what a configuration depends on besides its files.
type LoadOptions struct {
	// Now is the moment of loading.
	Now time.Time
	// Serials returns what each zone had when it was last served, by its fully qualified
	// name in lower case; it is told where the configuration keeps its state. It may be nil.
	Serials func(stateDir string) map[string]zones.Serial
	// Read is told which files were read, or should have been, and their Digest, whether
	// loading succeeds or not. It may be nil.
	Read func(files []string, digest string)
	// Databases is what loads have in common. It may be nil.
	Databases *Databases
	// Serving says that the configuration is to be served, not only checked. A view whose last network
	// has gone from a new edition of a database is then a warning: nobody has touched zones.toml, and
	// the server must be able to start.
	Serving bool
	// Within, if not empty, is the folder in which the files must lie that a configuration names, links
	// followed, except for those in Also: who has sent the configuration may not see other files of this
	// machine. An absolute path.
	Within string
	// Also are paths that Within does not concern.
	Also []string
}

// ErrUnreadable is what Load wraps if zones.toml itself cannot be read.
var ErrUnreadable = errors.New("read the configuration")

// NotValid says of an error of Load which file is not valid. One that could not be read may be valid.
func NotValid(path string, err error) error {
	if errors.Is(err, ErrUnreadable) {
		return err
	}
	return fmt.Errorf("%s is not valid:\n%w", path, err)
}

// Load reads and validates a configuration, and the files that it names: paths in it are
// relative to the folder that it lies in, except for state_dir. It fails with [problem.Errors] if the
// content is wrong, and otherwise wraps [ErrUnreadable] and the error of reading the file at path.
func Load(path string, o LoadOptions) (*zones.Set, error) {
	read := newReader(path)
	if o.Read != nil {
		defer func() { o.Read(read.paths, read.hash()) }()
	}
	data, err := read.read(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return parse(data, path, read, o)
}

// Parse is Load for a configuration whose bytes have been read already. The files that it
// names are read as if it had stood at path.
func Parse(data []byte, path string, o LoadOptions) (*zones.Set, error) {
	read := newReader(path)
	read.within, read.also = o.Within, o.Also
	read.note(path, files.File{Data: data, Modified: o.Now})
	return parse(data, path, read, o)
}

func parse(data []byte, path string, read *reader, o LoadOptions) (*zones.Set, error) {
	if line, fault := bounded(data); line > 0 {
		return nil, syntaxError(path, line, 0, fault)
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		return nil, parseError(data, path, err)
	}

	l := newLoader(path, read, o)
	var raw rawFile
	l.decoder.table(nil, tree, &raw, "")
	l.load(&raw)
	where := func(spots []problem.Spot) []problem.Position { return locate(data, spots) }
	if errs := l.Errors(path, where); errs != nil {
		return nil, errs
	}
	if warnings := l.warnings.Errors(path, where); warnings != nil {
		l.set.Warnings = warnings.Unwrap()
	}
	return l.set, nil
}

// parseError is the one problem of a file that is not TOML.
func parseError(data []byte, path string, err error) error {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return syntaxError(path, 0, 0, "this is not TOML") // no other error is documented
	}
	// Only the parser's offset is reliable, if it is within bounds. Its column is wrong for an
	// error at the beginning of a line.
	before := data[:max(0, min(syntax.Position.Start, len(data)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return syntaxError(path, line, column, problem.Message(withoutContent(syntax.Message)))
}

func syntaxError(path string, line, column int, message string) error {
	return &problem.Errors{Problems: []*problem.Problem{{File: path, Line: line, Column: column, Message: message}}}
}

// quotation is what the parser quotes, of its own rules or of the text.
var quotation = regexp.MustCompile(`'[^']*'|"([^"\\]|\\.)*"`)

// harmless is a quotation of a single character, perhaps by its number, or of punctuation.
var harmless = regexp.MustCompile(`^.(.|\\.|[^\pL\pN]*|0x[0-9a-f]{2}).$`)

// withoutContent is a message of the parser without quotations of the text, except for single
// characters. A file that is not TOML may be a secret that was named by mistake. Keys that are
// given twice are quoted, since such a file is TOML so far.
func withoutContent(message string) string {
	message = strings.ReplaceAll(message, "\n", " ")
	if strings.HasPrefix(message, "Key ") {
		return message
	}
	return quotation.ReplaceAllStringFunc(message, func(quoted string) string {
		if harmless.MatchString(quoted) {
			return quoted
		}
		return "…"
	})
}

// loader makes the finished configuration from the raw one.
type loader struct {
	*problem.Report
	warnings problem.Report // what is valid, but probably a mistake
	decoder  *decoder
	options  LoadOptions
	files    *reader
	set      *zones.Set

	serials    map[string]zones.Serial // of an earlier run or configuration
	checks     map[string]*check
	groups     map[string]*group
	pools      map[string]*pool
	zones      map[string]*zone // by fully qualified name
	ordered    []*zone          // in canonical order
	records    *records.Builder // of the zone at hand
	limits     masterfile.Limits
	targets    targets
	maxDown    int                  // of [safety], for every name
	downWithin time.Duration        // the same
	steerings  map[string]*steering // by Key
	routed     []*steering          // the same, in the order of zones.Set.Steerings
	databases  *Databases
	sources    []geo.Source               // the databases that are configured
	unreadable bool                       // one of them could not be read
	located    bool                       // something is steered by what they know
	alike      map[string]*zones.Steering // by the signature of their tables
	signature  []byte                     // scratch
}

func newLoader(path string, read *reader, o LoadOptions) *loader {
	r := new(problem.Report)
	if o.Databases == nil {
		o.Databases = new(Databases)
	}
	return &loader{
		Report:    r,
		decoder:   newDecoder(r),
		options:   o,
		files:     read,
		set:       &zones.Set{Path: path, Loaded: o.Now},
		checks:    make(map[string]*check),
		groups:    make(map[string]*group),
		pools:     make(map[string]*pool),
		zones:     make(map[string]*zone),
		records:   new(records.Builder),
		limits:    masterfile.DefaultLimits(),
		steerings: make(map[string]*steering),
		databases: o.Databases,
		alike:     make(map[string]*zones.Steering),
	}
}

// load fills in the set. The order is such that everything is made before others refer to it.
func (l *loader) load(raw *rawFile) {
	l.server(&raw.Server)
	l.admin(raw.Admin)
	l.notify(raw.Notify)
	if l.options.Serials != nil {
		l.serials = l.options.Serials(l.set.Server.StateDir)
	}
	l.velocity(&raw.Safety)
	for _, name := range sortedKeys(raw.Checks) {
		l.check(name, raw.Checks[name])
	}
	l.findOperands()
	l.doubt(&raw.Safety)
	for _, name := range sortedKeys(raw.Replication) {
		l.replication(name, raw.Replication[name])
	}
	for _, name := range sortedKeys(raw.Pools) {
		l.pool(name, raw.Pools[name])
	}
	l.set.Targets = l.targets.finish()
	l.identifyAliased()
	l.allZones(raw.Zones)
	l.allRoutes()
	l.aliasLoops()
	l.unused()
	l.unusedResolvers()
	l.set.Hash, l.set.Files = l.files.hash(), l.files.paths
}

// unused reports what nothing else refers to, and warns of what has no effect.
func (l *loader) unused() {
	for _, name := range sortedKeys(l.checks) {
		if c := l.checks[name]; !c.used {
			l.Add(c.at, "no pool uses this check; list it in a pool's checks, or remove it")
		}
	}
	for _, name := range sortedKeys(l.groups) {
		if g := l.groups[name]; !g.used {
			l.Add(g.at, "no pool has this replication; name it in the pools of its regions, or remove it")
		}
	}
	for _, name := range sortedKeys(l.pools) {
		p := l.pools[name]
		if !p.used {
			l.Add(p.at, "no name uses this pool; list it in a name's pools, or remove it")
			continue
		}
		if p.weighted && !p.weighed {
			l.warnings.Add(p.at.Key("weight"), "no name shares clients by this weight; remove it")
		}
		if p.weightBy != "" && !p.shares {
			l.warnings.Add(p.at.Key("checks"), "check %q says the weight of the pool, but no name shares clients by that; remove weight_from, or choose another policy", p.weightBy)
		}
		if p.loadBy != "" && !p.sheds {
			l.warnings.Add(p.at.Key("checks"), "check %q says the load of the pool, but no name has another pool that could take its clients, or all have policy = \"all\"; remove shed", p.loadBy)
		}
		if p.Location != nil && !p.located {
			l.warnings.Add(p.at.Key("location"), `no name that uses the pool has policy = "nearest"; remove it`)
		}
	}
	if len(l.sources) > 0 && !l.located {
		l.warnings.Add(problem.Top("server").Key("geoip"), `no name has views that need it, or policy = "nearest"; remove it`)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
