package override

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gslb/health"
)

// Bounds of what is taken.
const (
	Shortest      = time.Second
	Longest       = 365 * 24 * time.Hour
	longestReason = 200    // characters
	most          = 10_000 // overrides at a time
)

// Check reports what is wrong with an override, of which a file or a request says anything. Whether
// its pool, member and name exist is for others to say: a configuration may have them later.
//
//	kind  │ name    │ pool │ member   │ status      │ anyway │ switch
//	──────┼─────────┼──────┼──────────┼─────────────┼────────┼─────────
//	pin   │ a name  │ one  │ none     │ none        │ any    │ may be
//	drain │ none    │ one  │ may be   │ none        │ any    │ none
//	force │ none    │ one  │ may be   │ up or down  │ no     │ none
func (o *Override) Check() error {
	switch o.Kind {
	case Pin, Drain, Force:
	default:
		return fmt.Errorf("kind: %q is not one of pin, drain, force", o.Kind)
	}
	switch {
	case o.Pool == "":
		return errors.New("pool: it is missing")
	case o.Kind == Pin && !isName(o.Name):
		return fmt.Errorf("name: %q is not a fully qualified name in lower case", o.Name)
	case o.Kind != Pin && o.Name != "":
		return fmt.Errorf("name: a %s is about a pool, not about a name", o.Kind)
	case o.Kind == Pin && o.Member.IsValid():
		return errors.New("member: a pin is about a whole pool")
	case o.Kind == Force && o.Status != health.Up && o.Status != health.Down:
		return errors.New("status: a force is up or down")
	case o.Kind != Force && o.Status != health.Unknown:
		return fmt.Errorf("status: a %s has none", o.Kind)
	case o.Kind == Force && o.Anyway:
		return errors.New("anyway: a force holds in any case")
	case o.Switch != nil && (o.Kind != Pin || o.Switch.Move.IsZero()):
		return errors.New("switch: only a pin is a planned move, and has a time of it")
	case o.Switch != nil && o.Switch.Before != nil && (o.Switch.Before.ID() != o.ID() || o.Switch.Before.Switch != nil):
		return errors.New("switch: what was before is not a pin of the same name")
	case o.By == "":
		return errors.New("by: it is missing")
	case o.Since.IsZero():
		return errors.New("since: it is missing")
	}
	if err := CheckReason(o.Reason); err != nil {
		return err
	}
	if o.Switch != nil && o.Switch.Before != nil {
		if err := o.Switch.Before.Check(); err != nil {
			return fmt.Errorf("switch: before: %w", err)
		}
	}
	if o.Switch != nil && o.Switch.Fence != nil {
		if err := o.Switch.Fence.check(); err != nil {
			return fmt.Errorf("switch: fence: %w", err)
		}
	}
	if !o.Until.IsZero() {
		if err := CheckLength(o.Until.Sub(o.Since)); err != nil {
			return fmt.Errorf("until: %w", err)
		}
	}
	return nil
}

// CheckReason reports what is wrong with a reason: everybody who meets an override reads it in a line.
func CheckReason(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return errors.New("reason: it is missing; say why in one line, for those who meet this later")
	case !utf8.ValidString(reason):
		return errors.New("reason: it is not valid UTF-8")
	case utf8.RuneCountInString(reason) > longestReason:
		return fmt.Errorf("reason: it has more than %d characters", longestReason)
	case strings.ContainsFunc(reason, breaksLine):
		return errors.New("reason: it has a line break or another control character; say it in one line")
	}
	return nil
}

// breaksLine reports whether a character ends a line, or changes how what follows it is shown.
func breaksLine(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// CheckLength reports whether an override may not last so long.
func CheckLength(d time.Duration) error {
	if d < Shortest || d > Longest {
		return fmt.Errorf("an override that ends lasts from 1s to 8760h (365 days), not %s", d)
	}
	return nil
}

// isName reports whether a text could be the name of a zones.Name.
func isName(name string) bool {
	return len(name) > 1 && strings.HasSuffix(name, ".") && name == strings.ToLower(name)
}
