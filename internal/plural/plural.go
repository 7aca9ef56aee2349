// Package plural writes numbers of things in messages for people.
package plural

import "fmt"

// Of puts a number before the form of the words that goes with it.
func Of(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
