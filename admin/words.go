package admin

import (
	"fmt"
	"time"
)

// when writes a moment so that it can be found in a log.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// ago writes how long before now a moment was.
func ago(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "never"
	case t.After(now):
		return "in " + duration(t.Sub(now))
	default:
		return duration(now.Sub(t)) + " ago"
	}
}

// duration writes a duration by its two largest units.
func duration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d >= time.Second:
		return fmt.Sprintf("%d s", d/time.Second)
	default:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	}
}

// short abbreviates a hash to a part that a person can compare.
func short(hash string) string { return hash[:min(len(hash), 12)] }

// clock writes a moment of the last or the next few hours by its time, others by their day too.
func clock(now, t time.Time) string {
	if d := now.Sub(t).Abs(); d < 12*time.Hour {
		return t.UTC().Format("15:04:05")
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// perSecond writes a rate.
func perSecond(rate float64) string {
	if rate > 0 && rate < 10 {
		return fmt.Sprintf("%.1f/s", rate)
	}
	return fmt.Sprintf("%.0f/s", rate)
}

// brief writes a duration by one unit.
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d d", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", max(1, d/time.Second))
}

// sayLength writes how long an override is to hold.
func sayLength(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return brief(d)
}
