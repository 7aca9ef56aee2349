//go:build integration

package zonefiles

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"gslb/integration/parts"
)

// answerZone is a zone that several servers serve.
type answerZone struct {
	corpusFile
	origin string // fully qualified
	limit  int    // of the questions; 0: none
	expand bool   // NSD and Knot cannot read the file, and are given what BIND makes of it

	path string // of the file that NSD and Knot read, once it is written
}

// lay writes the zone's files into a folder, and returns the name of that for gslb.
func (z *answerZone) lay(t *testing.T, ctx context.Context, dir string) string {
	t.Helper()
	name := z.origin + "db"
	z.write(t, dir, name)
	z.path = filepath.Join(dir, name)
	if z.expand {
		text, err := parts.ExpandZone(ctx, dir, z.origin, name)
		must(t, err)
		z.path += ".expanded"
		must(t, os.WriteFile(z.path, []byte(text), 0o644))
	}
	return name
}

// handMadeZones are those of testdata/zoneanswers. In GROUP.txtar, the file NAME is the zone
// NAME.GROUP.test, and the text before the first file begins each of them.
func handMadeZones(t *testing.T) []answerZone {
	t.Helper()
	paths, err := filepath.Glob("testdata/zoneanswers/*.txtar")
	must(t, err)
	var zones []answerZone
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		must(t, err)
		group := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, file := range archive.Files {
			zones = append(zones, answerZone{
				corpusFile: corpusFile{name: file.Name, text: string(archive.Comment) + string(file.Data)},
				origin:     file.Name + "." + group + ".test.",
			})
		}
	}
	return zones
}

// corpusZones are those of the corpus of zone files that everybody here would load, or could if
// BIND expanded what only it can read ($GENERATE, and relative origins). Each has a name of its
// own, which is as long as the one that the corpus has.
func corpusZones(t *testing.T) []answerZone {
	t.Helper()
	const limit = 40
	table := readVerdicts(t)
	var zones []answerZone
	for i, file := range corpus(t) {
		row := strings.Join(table[file.name], " ")
		all := row == "accept accept accept accept" || row == "accept accept refuse accept"
		expand := row == "refuse refuse accept accept" && !strings.HasPrefix(file.name, "types-") // unknown to them
		if !all && !expand || servedOtherwise(file.name) {
			continue
		}
		label := strconv.Itoa(1000000 + i)
		zones = append(zones, answerZone{
			corpusFile: file.renamed(label), origin: label + ".com.", limit: limit, expand: expand,
		})
	}
	return zones
}

// servedOtherwise says whether the servers would not serve a file of the corpus as the same zone.
func servedOtherwise(name string) bool {
	switch name {
	case "ttl/directive-2147483648", "ttl/record-2147483648":
		return true // this TTL is 0 (RFC 2181, section 8), but NSD and Knot take the number
	case "ttl/absent-stated-later":
		return true // the last TTL stated counts (RFC 1035, section 5.1), but not for NSD and Knot
	case "whole/origin-of-parent":
		return true // it does not spell its name in one piece, and so cannot be renamed
	}
	return false
}

var (
	spelledZone  = regexp.MustCompile(`(?i)\bexample\.com\b`)
	spelledInput = regexp.MustCompile(`\b\w+\.db\b`)
)

// renamed is the file for another zone below com, with files of its own to include.
func (z corpusFile) renamed(label string) corpusFile {
	rename := func(text string) string {
		text = spelledZone.ReplaceAllString(text, label+".com")
		return spelledInput.ReplaceAllString(text, label+"-$0")
	}
	included := make([]txtar.File, len(z.included))
	for i, f := range z.included {
		included[i] = txtar.File{Name: rename(f.Name), Data: []byte(rename(string(f.Data)))}
	}
	z.text, z.included = rename(z.text), included
	return z
}
