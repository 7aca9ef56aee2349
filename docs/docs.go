// Package docs has the pages of this folder that the program shows itself.
package docs

import _ "embed"

// Runbook says what to do about each kind of incident, in a section each: runbook.md.
//
//go:embed runbook.md
var Runbook string
