//go:build integration

package zonefiles

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const (
	corpusZone = "example.com" // that every file of the corpus is for
	zoneFile   = "zone.db"     // what a file is called where it is checked
)

// corpusFile is a master file. Those of testdata/zonefiles/NAME.txtar are called NAME/FILE.
type corpusFile struct {
	name     string
	text     string
	head     int          // how many lines every zone of its archive begins with
	included []txtar.File // what it may include
}

// corpus returns all files there are. In an archive, the text before the first file begins each
// of them, and what ends in .db is there only to be included by others.
func corpus(t *testing.T) []corpusFile {
	t.Helper()
	paths, err := filepath.Glob(zoneFilesDir + "/*.txtar")
	must(t, err)
	var files []corpusFile
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		must(t, err)
		var included []txtar.File
		for _, file := range archive.Files {
			if filepath.Ext(file.Name) == ".db" {
				included = append(included, file)
			}
		}
		group := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, file := range archive.Files {
			if filepath.Ext(file.Name) == ".db" {
				continue
			}
			files = append(files, corpusFile{
				name:     group + "/" + file.Name,
				text:     string(archive.Comment) + string(file.Data),
				head:     bytes.Count(archive.Comment, []byte("\n")),
				included: included,
			})
		}
	}
	return append(files, oddBytes()...)
}

// write puts the file and what it includes into a folder.
func (z corpusFile) write(t *testing.T, dir, name string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(z.text), 0o644))
	for _, file := range z.included {
		must(t, os.WriteFile(filepath.Join(dir, file.Name), file.Data, 0o644))
	}
}

// own is what the file has beyond the common beginning.
func (z corpusFile) own() string {
	return strings.Join(strings.SplitAfter(z.text, "\n")[z.head:], "")
}

// absence says whether the fault of a file is that something is not there, on any line.
func (z corpusFile) absence() bool {
	switch z.name {
	case "soa/above-zone", "soa/below-apex-only", "soa/missing", "soa/other-zone", "whole/origin-of-another-zone",
		"whole/blank-lines-only", "whole/comments-only", "whole/empty", "whole/ttl-only",
		"whole/ns-missing", "whole/ns-missing-below", "whole/soa-only":
		return true
	}
	return false
}
