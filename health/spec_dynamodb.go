package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DynamoDB is a GetItem of one small key against a region's own endpoints, and where asked a PutItem of
// another.
type DynamoDB struct {
	Table       string
	Region      string
	Endpoint    string                  // base URL; empty: AWS's own, as the next fields say
	Names       RegionNames             `json:",omitempty"`
	AccountID   string                  `json:",omitempty"` // in the account's name; empty: what the credentials say
	DualStack   bool                    `json:",omitempty"` // the names that have addresses of both families
	FIPS        bool                    `json:",omitempty"` // the names whose cryptography is validated
	Key         map[string]KeyAttribute // by attribute name
	RequireItem bool                    // a key that is not there fails
	Consistent  bool                    `json:",omitempty"` // the read is strongly consistent
	Write       map[string]KeyAttribute `json:",omitempty"` // the key of the item to write; nil: none is

	// Verdicts that an operator may choose.
	Throttling   Verdict // Pass or Fail
	MissingTable Verdict // Indeterminate or Fail
}

// RegionNames says by which of its names a region is reached. The zero value is its regional one.
type RegionNames string

const (
	RegionalName RegionNames = ""        // dynamodb.REGION.amazonaws.com
	AccountName  RegionNames = "account" // ACCOUNT.ddb.REGION.amazonaws.com
	BothNames    RegionNames = "both"
)

// Kind returns "dynamodb".
func (*DynamoDB) Kind() string { return "dynamodb" }

// Files returns none.
func (*DynamoDB) Files() []string { return nil }

// Where is the region.
func (d *DynamoDB) Where() string { return d.Region }

// Wants says which table is to answer, and how.
func (d *DynamoDB) Wants() []string {
	line := fmt.Sprintf("wants table %s in %s to answer", d.Table, d.Region)
	if d.Consistent {
		line += " a strongly consistent read"
	}
	if d.RequireItem {
		line += ", with an item"
	}
	lines := []string{line}
	if d.Write != nil {
		lines = append(lines, "wants it to take a write of "+keyText(d.Write))
	}
	switch d.Names {
	case AccountName:
		lines = append(lines, "by the name of the account")
	case BothNames:
		lines = append(lines, "by the region's name and by that of the account")
	}
	return lines
}

// keyText writes a key for people.
func keyText(key map[string]KeyAttribute) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(key)) {
		words = append(words, fmt.Sprintf("%s = %q", name, key[name].Value))
	}
	return strings.Join(words, ", ")
}

// ItemKey is the key of an item of gslb's own: it begins as another one does, and goes on with words that
// make it distinct. They go behind the first string attribute, by name; nil: there is none.
func ItemKey(key map[string]KeyAttribute, words ...string) map[string]KeyAttribute {
	for _, name := range slices.Sorted(maps.Keys(key)) {
		if a := key[name]; !a.Number {
			own := maps.Clone(key)
			own[name] = KeyAttribute{Value: strings.Join(append([]string{a.Value}, words...), "/")}
			return own
		}
	}
	return nil
}

// KeyAttribute is the value of a key attribute. DynamoDB keys are strings or numbers here
// (binary keys cannot be written in TOML).
type KeyAttribute struct {
	Value  string
	Number bool // DynamoDB type N rather than S; Value is its decimal form
}
