// Package answer compiles the configuration and the present health into a Table that a
// query only has to look up, and publishes a new one whenever something changes.
package answer
