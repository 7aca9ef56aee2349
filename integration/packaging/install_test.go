//go:build integration

package packaging

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is installed, and where.
var (
	programs      = []string{"/usr/bin/gslb", "/usr/lib/systemd/system/gslb.service", "/usr/lib/systemd/system/gslb.socket", "/usr/lib/systemd/system/gslb-discover.service", "/usr/lib/sysusers.d/gslb.conf", "/usr/share/doc/gslb/copyright", "/usr/share/doc/gslb/README.md", "/usr/share/doc/gslb/docs/operations.md"}
	manuals       = []string{"/usr/share/man/man1/gslb.1.gz", "/usr/share/man/man1/gslb-drain.1.gz", "/usr/share/man/man1/gslb-discover-digitalocean.1.gz", "/usr/share/man/man5/zones.toml.5.gz", "/usr/share/bash-completion/completions/gslb", "/usr/share/fish/vendor_completions.d/gslb.fish"}
	configuration = []string{"/etc/gslb/zones.toml", "/etc/gslb/discover.env"}
	states        = []string{"/var/lib/gslb", "/var/lib/gslb-discover"}
)

// TestDeb takes a .deb through its life: installed, served from, upgraded over a configuration that somebody
// has changed, removed, installed again, purged.
func TestDeb(t *testing.T) {
	t.Parallel()
	d := describe(t)
	m := newMachine(t)
	var first, second string
	if file := built(t, "*_"+runtime.GOARCH+".deb"); file != "" {
		first = m.copyIn(file)
		second = first // the same version again is an upgrade, too
	} else {
		files := made(t)
		first, second = m.copyIn(buildDeb(t, d, files, "1.0.0")), m.copyIn(buildDeb(t, d, files, "1.1.0"))
	}

	out := m.do("dpkg --install " + first)
	if !strings.Contains(out, "gslb check /etc/gslb/zones.toml") {
		t.Errorf("the first installation does not say what is to be done:\n%s", out)
	}
	if diff := cmp.Diff([]string{"daemon-reload"}, m.told()); diff != "" {
		t.Errorf("a first installation starts nothing (-want +got)\n%s", diff)
	}
	isInstalled(t, m)
	if missing := m.do(`dpkg --listfiles gslb | grep -c "^/usr/share/zsh/vendor-completions/_gslb$"`); missing != "1\n" {
		t.Errorf("the completion for zsh is missing")
	}
	serve(m)
	m.do(`test "$(dig +short @127.0.0.1 app.gslb.example.com)" = 203.0.113.10`)

	m.do(`echo "# ours" >>/etc/gslb/zones.toml; mkdir -p /var/lib/gslb-discover; touch /etc/gslb/tokens`)
	out = m.do("dpkg --install " + second)
	next := regexp.MustCompile(`serves now, as process (\d+)`).FindStringSubmatch(out)
	if next == nil {
		t.Fatalf("an upgrade does not have the server hand over:\n%s", out)
	}
	m.do("echo " + next[1] + " >/run/server")
	m.do(`test "$(dig +short @127.0.0.1 app.gslb.example.com)" = 203.0.113.10; gslb healthcheck; kill ` + next[1] + `; while test -e /proc/` + next[1] + `; do sleep 0.05; done`)
	if strings.Contains(out, "not started") {
		t.Errorf("an upgrade tells what a first installation does:\n%s", out)
	}
	if diff := cmp.Diff([]string{"daemon-reload", "is-active --quiet gslb.service", "try-restart gslb-discover.service"}, m.told()); diff != "" {
		t.Errorf("an upgrade goes on with what runs (-want +got)\n%s", diff)
	}
	m.do(`grep -q "# ours" /etc/gslb/zones.toml`)

	m.do("dpkg --remove gslb")
	if diff := cmp.Diff([]string{"disable --now gslb.service gslb.socket gslb-discover.service", "daemon-reload"}, m.told()); diff != "" {
		t.Errorf("a removal ends what runs (-want +got)\n%s", diff)
	}
	if left := m.there(programs...); left != nil {
		t.Errorf("%v are left after removing", left)
	}
	if kept := m.there(append(states, configuration...)...); len(kept) != len(states)+len(configuration) {
		t.Errorf("only %v are left after removing: state and configuration stay until a purge", kept)
	}

	m.do("dpkg --install " + first + `; grep -q "# ours" /etc/gslb/zones.toml`)
	m.do("dpkg --purge gslb")
	if left := m.there(append(append(programs, states...), configuration...)...); left != nil {
		t.Errorf("%v are left after purging", left)
	}
	if out, err := m.try("getent passwd gslb || getent group gslb"); err == nil {
		t.Errorf("the user is left after purging: %s", out)
	}
	m.do("test -e /etc/gslb/tokens") // which no package has brought
}

// isInstalled checks what both kinds of packages bring.
func isInstalled(t *testing.T, m *machine) {
	t.Helper()
	want := append(append(programs, configuration...), manuals...)
	if got := m.there(want...); len(got) != len(want) {
		t.Errorf("installed are only %q of %q", got, want)
	}
	for script, what := range map[string]string{
		"test -x /usr/bin/gslb && gslb version":                                       "the program runs",
		"gslb check /etc/gslb/zones.toml":                                             "the example is valid",
		`test "$(getent passwd gslb | cut -d: -f7)" = /usr/sbin/nologin`:              "the user has no shell",
		`test "$(stat -c %a /etc/gslb/discover.env)" = 600`:                           "only root reads the token",
		`setpriv --reuid gslb --regid gslb --clear-groups cat /etc/gslb/zones.toml`:   "the server reads its configuration",
		`bash -c '. /usr/share/bash-completion/completions/gslb && complete -p gslb'`: "bash completes",
		"man --warnings --local-file /usr/share/man/man1/gslb.1.gz >/dev/null":        "the page can be shown",
		"systemd-analyze verify --man=no /usr/lib/systemd/system/gslb*":               "systemd takes the units",
	} {
		if out, err := m.try(script); err != nil {
			t.Errorf("it does not hold that %s: %s: %v\n%s", what, script, err, out)
		}
	}
}

// serve runs the server as the user of the package, with the example that it brings, until it is ready. It goes on.
func serve(m *machine) {
	m.t.Helper()
	m.do(`install -d -o gslb -g gslb /var/lib/gslb
setpriv --reuid gslb --regid gslb --clear-groups --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
	/usr/bin/gslb serve /etc/gslb/zones.toml >/tmp/serve.log 2>&1 &
echo $! >/run/server
for try in $(seq 150); do
	if gslb healthcheck; then exit; fi
	sleep 0.2
done
cat /tmp/serve.log
kill $!
exit 1`)
	m.t.Cleanup(func() { _, _ = m.try("kill $(cat /run/server)") })
}
