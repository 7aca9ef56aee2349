// Package figures has what benchmarks report with: samples and their quantiles, Markdown
// tables, and the host that all of it was measured on.
package figures

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Sample is what was measured, run by run.
type Sample []float64

// Quantile is the value below which the fraction q of the sample lies, interpolated
// between its neighbours: 0.5 is the median, 1 the greatest. The sample is not empty.
func (s Sample) Quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Median is the middle value, or the mean of the two in the middle.
func (s Sample) Median() float64 { return s.Quantile(0.5) }

// Times is a sample of durations.
type Times []time.Duration

// Quantile is [Sample.Quantile].
func (t Times) Quantile(q float64) time.Duration {
	s := make(Sample, len(t))
	for i, d := range t {
		s[i] = float64(d)
	}
	return time.Duration(s.Quantile(q))
}

// Table is a Markdown table: its first row is the head, its first column is text and all
// others are figures.
type Table [][]string

// Row adds a row, of as many cells as the head has.
func (t *Table) Row(cells ...string) { *t = append(*t, cells) }

// String renders the table with its columns aligned.
func (t *Table) String() string {
	widths := make([]int, len((*t)[0]))
	for _, row := range *t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, row := range *t {
		for column, cell := range row {
			padding := strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell))
			if column == 0 {
				cell += padding
			} else {
				cell = padding + cell
			}
			b.WriteString("| " + cell + " ")
		}
		b.WriteString("|\n")
		if i > 0 {
			continue
		}
		for column, width := range widths {
			rule := strings.Repeat("-", width)
			if column > 0 {
				rule = rule[1:] + ":"
			}
			b.WriteString("| " + rule + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// Seconds writes a duration to the millisecond.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// Milliseconds writes a duration in milliseconds.
func Milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Mebibytes writes a size in bytes.
func Mebibytes(bytes float64) string { return fmt.Sprintf("%.1f MiB", bytes/(1<<20)) }
