//go:build integration

package decisions

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// TestRecipes serves all names of docs/steering.md at once: each of them is answered.
func TestRecipes(t *testing.T) {
	root, err := parts.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, "docs", "steering.md"))
	must(t, err)
	var config strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```toml\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		config.WriteString(block[1])
	}
	// What these tests have their own of.
	server := regexp.MustCompile(`(?ms)^\[(server|checks\.web)\]\n.*?\n\n`)
	w := serve(t, server.ReplaceAllString(config.String(), ""), settings{GeoIP: databases(t)})

	names := regexp.MustCompile(`(?m)^\[zones\."gslb\.example\.com"\.names\.(\w+)(?:\.views)?\]$`).FindAllStringSubmatch(config.String(), -1)
	if len(names) < 20 {
		t.Fatalf("only %d names were found", len(names))
	}
	for _, name := range names {
		for _, from := range []string{"198.18.0.1", "198.18.5.1", "2001:db8:1::1"} {
			q := question{name: name[1] + "." + w.zone, qtype: dns.TypeA, from: netip.MustParseAddr(from)}
			if r := w.replies(t, q, 1)[0]; len(r.addrs) == 0 && r.cname == "" {
				t.Errorf("%v: %s", q, r.answer())
			}
		}
	}
}
