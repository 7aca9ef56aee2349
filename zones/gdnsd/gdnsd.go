package gdnsd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// configName is the file that gdnsd reads first.
const configName = "config"

// Result is what an import makes.
type Result struct {
	// Text is a zones.toml. What is not carried over stands in it as a comment, at the place
	// concerned.
	Text []byte
	// Notes is all that is not carried over, in the order of the files.
	Notes []Note
}

// Note is something that is not carried over, or that gslb does otherwise.
type Note struct {
	File string // of gdnsd's configuration; relative to its folder, if it lies in there
	Line int    // 0: the file as a whole
	Text string
}

func (n Note) String() string {
	if n.Line == 0 {
		return n.File + ": " + n.Text
	}
	return fmt.Sprintf("%s:%d: %s", n.File, n.Line, n.Text)
}

// ErrNothing is wrapped by the error for a folder of which nothing could be carried over.
var ErrNothing = errors.New("nothing could be carried over")

// Import reads the folder of a gdnsd and makes a zones.toml of it. With an error there is no text, but
// there may be notes that say why.
func Import(dir string) (*Result, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	im := &importer{
		source: &source{dir: dir}, plugins: newTable(place{configName, 1}),
		singles: make(map[*check][]*check), plans: make(map[planKey]*plan), maps: make(map[string]*geoMap),
		names: make(map[*zone][]*name), poolsByKey: make(map[string]*pool), wanted: make(map[*pool]string),
		poolNames: make(map[string]bool), checkNames: make(map[string]bool), told: make(map[Note]bool),
	}
	config, err := im.config(filepath.Join(dir, configName))
	if err != nil {
		return nil, err
	}
	im.readOptions(config.get("options"))
	im.serviceTypes(config.get("service_types"))
	im.readPlugins(config.get("plugins"))
	for i, key := range config.keys {
		if key != "options" && key != "service_types" && key != "plugins" {
			im.loosely(config.items[i].place, "there is no section %q", key)
		}
	}
	im.adminState()

	zones := im.source.zones(&im.server.limits, im.loosely)
	for _, z := range zones {
		im.notes = append(im.notes, z.complaints...)
		im.settle(z)
		for i := range z.dynamic {
			im.steer(z, &z.dynamic[i])
		}
	}
	im.subnets()
	result := &Result{Notes: im.notes}
	slices.SortStableFunc(result.Notes, func(a, b Note) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	if len(zones) == 0 {
		return result, fmt.Errorf("%s: %w: there is no zone", filepath.Join(dir, "zones"), ErrNothing)
	}
	result.Text = im.write(zones)
	return result, nil
}

// importer makes a zones.toml of a configuration.
type importer struct {
	source   *source
	plugins  *value
	server   server
	services map[string]*service
	singles  map[*check][]*check // checks of one address, by that of all
	maps     map[string]*geoMap  // nil: it has an error
	plans    map[planKey]*plan

	poolsByKey map[string]*pool // by all that is in them
	wanted     map[*pool]string // what pools are to be called
	poolNames  map[string]bool  // that are taken, in lower case
	checkNames map[string]bool
	mapsInUse  []string

	// What is written, in order.
	checks []*check
	pools  []*pool
	names  map[*zone][]*name
	loose  []string // remarks without a place in the file

	notes []Note
	told  map[Note]bool
}

// config reads the configuration; without one, gdnsd has its defaults.
func (im *importer) config(path string) (*value, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(im.source.dir); err != nil {
			return nil, err
		}
		return newTable(place{configName, 1}), nil
	}
	config, err := im.source.load(path, place{}, 0)
	if err == nil && config.form != table {
		err = config.fault("the configuration is a list; expected options, service_types and plugins")
	}
	return config, err
}

func (im *importer) readPlugins(v *value) {
	if v == nil {
		return
	}
	if v.form != table {
		im.loosely(v.place, "plugins is %s, and is not carried over; expected a table", v.form)
		return
	}
	im.plugins = v
	for i, key := range v.keys {
		at := v.items[i]
		switch key {
		case "multifo", "simplefo", "weighted", "metafo", "geoip", "static", "reflect", "null":
		case "extmon", "extfile", "http_status", "tcp_connect":
			if at.form == table && len(at.keys) > 0 {
				im.loosely(at.place, "the options of the plugin %s are not carried over", key)
			}
		default:
			im.loosely(at.place, "gslb has no plugin %s", key)
		}
	}
}

// adminState notes that there is a file of states that a person has forced.
func (im *importer) adminState() {
	path := stateFile(im.server.stateDir)
	if _, err := os.Stat(path); err == nil {
		im.loosely(place{path, 0}, "the states that are forced in this file are not carried over")
	}
}

// note notes something that is not carried over, and returns it as a remark.
func (im *importer) note(at place, format string, args ...any) string {
	n := Note{at.file, at.line, fmt.Sprintf(format, args...)}
	if !im.told[n] {
		im.told[n] = true
		im.notes = append(im.notes, n)
	}
	return n.String()
}

// loosely notes something that has no place in the file.
func (im *importer) loosely(at place, format string, args ...any) {
	im.loose = append(im.loose, im.note(at, format, args...))
}

// at says where an error is, unless it knows.
func at(p place, err error) error {
	var f *fault
	if errors.As(err, &f) {
		return err
	}
	return &fault{p, err.Error()}
}
