package config

import (
	"strings"
	"testing"
)

// What is no TOML may be a secret that was named by mistake: no word of it is repeated.
func TestErrorsRepeatNoContent(t *testing.T) {
	for _, text := range []string{
		"PASSWORD=ab1c\n", "[default]\naws_secret = ab1c\n", "PrivateKey = ab1c+lXX\n", "root:ab1c:19000:0\n",
		"key = ab1c ; comment\n", "x = 2024-13-45ab1c\n", "x = trueab1c\n", "x = \"\\ab1c\"\n", "machine x login y password ab1c\n",
		"x = 0xab1czz\n", "x = 'ab1c\n", "ab1c\n", "{\"password\": \"ab1c\"}\n", "x = ab1\n", "x = [ab1c]\n", "x = {y = ab1c}\n",
	} {
		_, err := Parse([]byte(text), "zones.toml", LoadOptions{Now: noon})
		if err == nil || strings.Contains(err.Error(), "ab1") {
			t.Errorf("%q: got %v; want an error that repeats nothing of it", text, err)
		}
	}
}
