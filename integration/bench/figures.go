package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// sample is what was measured, run by run.
type sample []float64

// quantile is the value below which the fraction q of the sample lies, interpolated
// between its neighbours: 0.5 is the median, 1 the greatest. The sample is not empty.
func (s sample) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

func (s sample) median() float64 { return s.quantile(0.5) }

// times is a sample of durations.
type times []time.Duration

func (t times) quantile(q float64) time.Duration {
	s := make(sample, len(t))
	for i, d := range t {
		s[i] = float64(d)
	}
	return time.Duration(s.quantile(q))
}

// table is a Markdown table: its first row is the head, its first column is text and all
// others are figures.
type table [][]string

func (t *table) row(cells ...string) { *t = append(*t, cells) }

// String renders the table with its columns aligned.
func (t *table) String() string {
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

// seconds writes a duration to the millisecond.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// milliseconds writes a duration in milliseconds.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// mebibytes writes a size in bytes.
func mebibytes(bytes float64) string { return fmt.Sprintf("%.1f MiB", bytes/(1<<20)) }
