package cookie

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSecrets(t *testing.T) {
	file := "# made in January\n" + secretA1 + "\r\n\n  " + strings.ToUpper(secretA4) + "\t"
	got, err := ParseSecrets([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []Secret{Secret(fromHex(t, secretA1)), Secret(fromHex(t, secretA4))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseSecretsRefuses(t *testing.T) {
	tests := map[string]struct{ file, want string }{
		"short":      {"# one\n" + secretA1[:30], "cookie: line 2: a secret of 30 characters, must have 32 hexadecimal digits"},
		"two a line": {secretA1 + " " + secretA4, "line 1: a secret of 65 characters"},
		"no digit":   {secretA1 + "\n" + secretA1[:31] + "x", "line 2: a secret with a character"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSecrets([]byte(test.file))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), secretA1[:8]) {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func TestNewSecretsDiffer(t *testing.T) {
	if a, b := NewSecret(), NewSecret(); a == b || a == (Secret{}) {
		t.Error("two secrets are the same, or zeros")
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := Secret(fromHex(t, secretA1))
	holder := struct{ Secret Secret }{s}
	var log strings.Builder
	timeless := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{} // whose digits may be any
		}
		return a
	}}
	slog.New(slog.NewJSONHandler(&log, timeless)).Info("loaded", "secret", s, "holder", holder)
	slog.New(slog.NewTextHandler(&log, timeless)).Info("loaded", "secret", s, "holder", holder)
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %x %X %q %d %v %s %s", s, s, s, s, s, s, s, s, &holder, text, log.String())
	for _, part := range []string{secretA1[:4], strings.ToUpper(secretA1[:4]), "229", "0xe5"} { // 0xe5 is 229
		if strings.Contains(shown, part) {
			t.Errorf("%q of the secret is in %s", part, shown)
		}
	}
}
