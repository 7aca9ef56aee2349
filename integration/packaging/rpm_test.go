//go:build integration && packages

package packaging

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRPM takes a .rpm through its life. rpm knows no purge.
func TestRPM(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file := m.copyIn(built(t, "*."+map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]+".rpm"))
	list := m.do("rpm --query --package --list " + file)
	for _, path := range append(append(append(programs, configuration...), manuals...), "/usr/share/zsh/site-functions/_gslb") {
		if !strings.Contains(list, path+"\n") {
			t.Errorf("the package does not have %s", path)
		}
	}
	if diff := cmp.Diff(sorted(strings.Join(configuration, "\n"), "/"), sorted(m.do("rpm --query --package --configfiles "+file), "/")); diff != "" {
		t.Errorf("what is configuration (-want +got)\n%s", diff)
	}
	// No other package is in rpm's database here, so that nothing could be depended on.
	m.do("rpm --initdb && rpm --install --nodeps " + file)
	if diff := cmp.Diff([]string{"daemon-reload"}, m.told()); diff != "" {
		t.Errorf("a first installation starts nothing (-want +got)\n%s", diff)
	}
	isInstalled(t, m)
	m.do(`echo "# ours" >>/etc/gslb/zones.toml; mkdir -p /var/lib/gslb; rpm --upgrade --force --nodeps ` + file + `; grep -q "# ours" /etc/gslb/zones.toml`)
	if diff := cmp.Diff([]string{"daemon-reload", "is-active --quiet gslb.service", "try-restart gslb.service", "try-restart gslb-discover.service"}, m.told()); diff != "" {
		t.Errorf("an upgrade goes on with what runs (-want +got)\n%s", diff)
	}
	m.do("rpm --erase gslb")
	if diff := cmp.Diff([]string{"disable --now gslb.service gslb.socket gslb-discover.service", "daemon-reload"}, m.told()); diff != "" {
		t.Errorf("a removal ends what runs (-want +got)\n%s", diff)
	}
	if left := m.there(programs...); left != nil {
		t.Errorf("%v are left after removing", left)
	}
	m.do("test -d /var/lib/gslb && grep -q '# ours' /etc/gslb/zones.toml.rpmsave")
}

// sorted is the lines of a text that begin with a prefix.
func sorted(text, prefix string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, prefix) {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return list
}
