//go:build integration

package packaging

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"gslb/integration/parts"
)

// packages is where make check-packages has put those that nfpm has built. Building nfpm takes a minute, which
// make test does not have.
var packages = flag.String("packages", "", "folder of built packages to test; empty: a .deb made of deploy/nfpm.yaml by dpkg-deb")

// description is what deploy/nfpm.yaml says, as far as it is used.
type description struct {
	Name, Maintainer, Description string
	Recommends                    []string
	Contents                      []struct {
		Src, Dst, Type, Packager string
		FileInfo                 struct{ Mode os.FileMode } `yaml:"file_info"`
	}
	Scripts struct{ PostInstall, PreRemove, PostRemove string }
}

// root is the folder of the repository.
func root(t testing.TB) string {
	t.Helper()
	dir, err := parts.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func describe(t testing.TB) *description {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "nfpm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := new(description)
	if err := yaml.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// made is what the Makefile makes for the packages, in a folder that stands for bin/package.
func made(t testing.TB) string {
	t.Helper()
	dir, binary := t.TempDir(), parts.Binary(t)
	run := func(args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), binary, args...).Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	run("man", "--configuration", filepath.Join(root(t), "docs", "configuration.md"), filepath.Join(dir, "man"))
	pages, err := filepath.Glob(filepath.Join(dir, "man", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(text)
		_ = w.Close()
		write(t, page+".gz", packed.Bytes(), 0o644)
	}
	for _, shell := range []string{"bash", "fish", "zsh"} {
		write(t, filepath.Join(dir, "completion", "gslb."+shell), run("completion", shell), 0o644)
	}
	if err := os.MkdirAll(filepath.Join(dir, "amd64"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "amd64", "gslb")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

// buildDeb makes a .deb of what the description says, as nfpm does.
func buildDeb(t testing.TB, d *description, made, version string) string {
	t.Helper()
	dir := t.TempDir()
	var conffiles string
	for _, c := range d.Contents {
		if c.Packager != "" && c.Packager != "deb" {
			continue
		}
		if c.Type == "dir" {
			if err := os.MkdirAll(filepath.Join(dir, c.Dst), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		source := strings.ReplaceAll(c.Src, "${ARCH}", "amd64")
		if inside, ok := strings.CutPrefix(source, "bin/package/"); ok {
			source = filepath.Join(made, inside)
		} else {
			source = filepath.Join(root(t), source)
		}
		files, err := filepath.Glob(source)
		if err != nil || len(files) == 0 {
			t.Fatalf("deploy/nfpm.yaml: there is no %s: %v", c.Src, err)
		}
		for _, file := range files {
			to := filepath.Join(dir, c.Dst)
			if strings.HasSuffix(c.Dst, "/") {
				to = filepath.Join(to, filepath.Base(file))
			}
			copyFile(t, file, to, c.FileInfo.Mode)
		}
		if strings.HasPrefix(c.Type, "config") {
			conffiles += c.Dst + "\n"
		}
	}
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: %s\nRecommends: %s\nDescription: %s\n",
		d.Name, version, d.Maintainer, strings.Join(d.Recommends, ", "), strings.ReplaceAll(strings.TrimSpace(d.Description), "\n", "\n "))
	write(t, filepath.Join(dir, "DEBIAN", "control"), []byte(control), 0o644)
	write(t, filepath.Join(dir, "DEBIAN", "conffiles"), []byte(conffiles), 0o644)
	for name, script := range map[string]string{"postinst": d.Scripts.PostInstall, "prerm": d.Scripts.PreRemove, "postrm": d.Scripts.PostRemove} {
		copyFile(t, filepath.Join(root(t), script), filepath.Join(dir, "DEBIAN", name), 0o755)
	}
	path := filepath.Join(t.TempDir(), "gslb_"+version+"_amd64.deb")
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "--root-owner-group", "-Znone", "--build", dir, path).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	return path
}

func copyFile(t testing.TB, from, to string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, mode)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Chmod(mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// built is the package of a kind for this machine that nfpm has built; empty: it has built none.
func built(t testing.TB, pattern string) string {
	t.Helper()
	if *packages == "" {
		return ""
	}
	found, err := filepath.Glob(filepath.Join(*packages, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("-packages: found %q for %s; expected one", found, pattern)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}
