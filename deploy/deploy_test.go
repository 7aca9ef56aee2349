package deploy

import (
	"encoding/json"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"gslb/zones"
	"gslb/zones/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unmarshal reads the documents of a YAML file. What they hold that T does not know is left out.
func unmarshal[T any](t *testing.T, text string) (list []T) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var value T
		err := decoder.Decode(&value)
		if err != nil && err.Error() == "EOF" {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, value)
	}
}

func parse(t *testing.T, what, text string) *zones.Set {
	t.Helper()
	set, err := config.Parse([]byte(text), what, config.LoadOptions{Now: time.Now()})
	if err != nil {
		t.Errorf("%s is not valid:\n%v", what, err)
	}
	return set
}

// Every configuration in this folder is one that the server takes.
func TestConfigurations(t *testing.T) {
	found := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "zones.toml" {
			found++
			parse(t, path, read(t, path))
		}
		return err
	})
	if err != nil || found < 3 {
		t.Errorf("found %d files zones.toml, and %v", found, err)
	}
	values := unmarshal[struct{ Config string }](t, read(t, "helm/gslb/values.yaml"))
	parse(t, "helm/gslb/values.yaml", values[0].Config)
}

// manifest is what the tests look at of a Kubernetes object.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		Ports []struct {
			Port       int
			Protocol   string
			TargetPort string `yaml:"targetPort"`
		}
		Selector       map[string]any
		MaxUnavailable int    `yaml:"maxUnavailable"`
		ServiceName    string `yaml:"serviceName"`
		Template       struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers []container
				Volumes    []struct {
					Name      string
					Projected struct {
						Sources []struct {
							ConfigMap struct{ Name string } `yaml:"configMap"`
						}
					}
				}
			}
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
}

type container struct {
	Args  []string
	Ports []struct {
		Name, Protocol string
		ContainerPort  int `yaml:"containerPort"`
		HostPort       int `yaml:"hostPort"`
	}
	StartupProbe, ReadinessProbe, LivenessProbe probe
	VolumeMounts                                []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		SubPath   string `yaml:"subPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// UnmarshalYAML reads the probes, whose names have capitals within.
func (c *container) UnmarshalYAML(node *yaml.Node) error {
	type plain container
	var probes struct {
		Startup   probe `yaml:"startupProbe"`
		Readiness probe `yaml:"readinessProbe"`
		Liveness  probe `yaml:"livenessProbe"`
	}
	if err := node.Decode(&probes); err != nil {
		return err
	}
	if err := node.Decode((*plain)(c)); err != nil {
		return err
	}
	c.StartupProbe, c.ReadinessProbe, c.LivenessProbe = probes.Startup, probes.Readiness, probes.Liveness
	return nil
}

// The manifests fit together, and to the configuration in them.
func TestKubernetes(t *testing.T) {
	objects := make(map[string]manifest)
	for _, m := range unmarshal[manifest](t, read(t, "kubernetes/gslb.yaml")) {
		objects[m.Kind] = m
	}
	set, service, budget := objects["StatefulSet"], objects["Service"], objects["PodDisruptionBudget"]
	pod := set.Spec.Template
	if len(pod.Spec.Containers) != 1 {
		t.Fatalf("got %d containers, want one", len(pod.Spec.Containers))
	}
	c := pod.Spec.Containers[0]

	selects := func(what string, selector map[string]any) {
		t.Helper()
		if len(selector) == 0 {
			t.Errorf("%s selects nothing", what)
		}
		for key, value := range selector {
			if pod.Metadata.Labels[key] != value {
				t.Errorf("%s selects %s=%v, and pods have %v", what, key, value, pod.Metadata.Labels)
			}
		}
	}
	matchLabels := func(m manifest) map[string]any {
		labels, _ := m.Spec.Selector["matchLabels"].(map[string]any)
		return labels
	}
	selects("the StatefulSet", matchLabels(set))
	selects("the budget", matchLabels(budget))
	selects("the Service", service.Spec.Selector)
	if set.Spec.ServiceName != service.Metadata.Name || budget.Spec.MaxUnavailable != 1 {
		t.Errorf("the StatefulSet is of the Service %q, want %q; the budget lets %d go, want 1", set.Spec.ServiceName, service.Metadata.Name, budget.Spec.MaxUnavailable)
	}

	ports := make(map[string]int)
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
		if (p.ContainerPort == 53) != (p.HostPort == 53) {
			t.Errorf("port %d is on the host's port %d", p.ContainerPort, p.HostPort)
		}
	}
	for _, p := range service.Spec.Ports {
		if ports[p.TargetPort] != p.Port {
			t.Errorf("the Service leads port %d to %q, which is %d", p.Port, p.TargetPort, ports[p.TargetPort])
		}
	}
	for what, got := range map[string]probe{"/readyz": c.ReadinessProbe, "/healthz": c.LivenessProbe} {
		if got.HTTPGet.Path != what || ports[got.HTTPGet.Port] == 0 {
			t.Errorf("got the probe %+v, want one of %s at a port that there is", got, what)
		}
	}
	if c.StartupProbe.HTTPGet.Path != "/readyz" {
		t.Errorf("got the probe %+v at the start, want one of /readyz", c.StartupProbe)
	}

	volumes := make(map[string]bool)
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
		for _, s := range v.Projected.Sources {
			if s.ConfigMap.Name != "" && s.ConfigMap.Name != objects["ConfigMap"].Metadata.Name {
				t.Errorf("there is no ConfigMap %s", s.ConfigMap.Name)
			}
		}
	}
	for _, v := range set.Spec.VolumeClaimTemplates {
		volumes[v.Metadata.Name] = true
	}
	mounted := make(map[string]bool)
	for _, m := range c.VolumeMounts {
		mounted[m.MountPath] = true
		if !volumes[m.Name] || m.SubPath != "" {
			t.Errorf("%+v: there is no such volume, or it would not follow a change", m)
		}
	}

	served := parse(t, "kubernetes/gslb.yaml", objects["ConfigMap"].Data["zones.toml"])
	if !mounted[served.Server.StateDir] || !mounted["/etc/gslb"] || !slices.Contains(c.Args, "/etc/gslb/zones.toml") {
		t.Errorf("the state is in %s, and mounted are %v; the server runs with %q", served.Server.StateDir, mounted, c.Args)
	}
	if int(served.Admin.Listen.Port()) != ports["admin"] || int(served.Server.Listen[0].Port()) != ports["dns-udp"] || ports["dns-udp"] != ports["dns-tcp"] {
		t.Errorf("the configuration listens at %v and %v, and the ports are %v", served.Server.Listen, served.Admin.Listen, ports)
	}
}

// The addresses of the containers are those that the configuration names, and each is in the network.
func TestCompose(t *testing.T) {
	type service struct {
		Ports, Volumes []string
		Networks       map[string]struct {
			Address string `yaml:"ipv4_address"`
		}
	}
	compose := unmarshal[struct {
		Services map[string]service
		Networks map[string]struct {
			IPAM struct{ Config []struct{ Subnet string } }
		}
		Volumes map[string]any
	}](t, read(t, "compose/compose.yaml"))[0]
	served := parse(t, "compose/config/zones.toml", read(t, "compose/config/zones.toml"))
	subnet := netip.MustParsePrefix(compose.Networks["net"].IPAM.Config[0].Subnet)
	address := func(name string) netip.Addr {
		addr, err := netip.ParseAddr(compose.Services[name].Networks["net"].Address)
		if err != nil || !subnet.Contains(addr) {
			t.Errorf("%s has the address %v, which is not in %v: %v", name, addr, subnet, err)
		}
		return addr
	}
	for _, p := range served.Pools {
		if len(p.Members) != 1 || p.Members[0].Address != address(p.Name) {
			t.Errorf("pool %s has the members %v, and its container %v", p.Name, p.Members, address(p.Name))
		}
	}
	text := read(t, "compose/config/zones.toml")
	published := make(map[string]bool)
	for _, name := range []string{"ns1", "ns2"} {
		s := compose.Services[name]
		if !strings.Contains(text, name+` = ["`+address(name).String()+`"]`) {
			t.Errorf("%s has the address %v, which the zone does not say", name, address(name))
		}
		if len(s.Ports) != 3 || !slices.Contains(s.Volumes, "./config:/etc/gslb:ro") {
			t.Errorf("%s publishes %v and mounts %v", name, s.Ports, s.Volumes)
		}
		if _, declared := compose.Volumes[name]; !declared || !slices.Contains(s.Volumes, name+":"+served.Server.StateDir) {
			t.Errorf("%s has no state that outlives it: %v", name, s.Volumes)
		}
		for _, p := range s.Ports {
			if published[p] || !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s, which another does too, or which others can reach", name, p)
			}
			published[p] = true
		}
	}
}

// Each panel says what it shows and in which unit, of the servers that were chosen. Those that are gone are chosen, too,
// by "All": the list has only those that were there.
func TestDashboard(t *testing.T) {
	type source struct{ UID string }
	var dashboard struct {
		Templating struct {
			List []struct{ Name, AllValue string }
		}
		Panels []struct {
			Type, Title, Description string
			Datasource               source
			Targets                  []struct{ Expr string }
			FieldConfig              struct{ Defaults struct{ Unit string } }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/gslb.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, v := range dashboard.Templating.List {
		if v.Name == "instance" && v.AllValue != ".+" {
			t.Errorf("All servers are %q", v.AllValue)
		}
	}
	for _, p := range dashboard.Panels {
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.Datasource.UID != "${datasource}" || p.FieldConfig.Defaults.Unit == "" && p.Type != "state-timeline" {
			t.Errorf("panel %q: description %q, unit %q, data source %q", p.Title, p.Description, p.FieldConfig.Defaults.Unit, p.Datasource.UID)
		}
		for _, target := range p.Targets {
			series, chosen := strings.Count(target.Expr, "{"), strings.Count(target.Expr, `{job="$job",instance=~"$instance"`)
			if series == 0 || chosen != series {
				t.Errorf("panel %q: %d of %d series are of the chosen servers: %s", p.Title, chosen, series, target.Expr)
			}
		}
	}
}

// What cloud-init reads is a document of its own kind, and the script in it is one that a shell takes.
func TestCloudInit(t *testing.T) {
	text := read(t, "terraform/cloud-init.yaml")
	if !strings.HasPrefix(text, "#cloud-config\n") {
		t.Error("the first line does not say that this is a #cloud-config")
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	var document struct {
		PackageUpdate bool `yaml:"package_update"`
		Packages      []string
		Files         []struct{ Path, Content, Encoding, Permissions string } `yaml:"write_files"`
		Run           [][]string                                              `yaml:"runcmd"`
	}
	if err := decoder.Decode(&document); err != nil {
		t.Fatal(err)
	}
	run := false
	for _, f := range document.Files {
		if !regexp.MustCompile(`^0[0-7]{3}$`).MatchString(f.Permissions) || !filepath.IsAbs(f.Path) || f.Encoding != "" && f.Encoding != "b64" {
			t.Errorf("%s: permissions %q, encoding %q", f.Path, f.Permissions, f.Encoding)
		}
		if strings.HasPrefix(f.Content, "#!/bin/sh\n") {
			shell := exec.CommandContext(t.Context(), "sh", "-n")
			shell.Stdin = strings.NewReader(f.Content)
			if out, err := shell.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", f.Path, err, out)
			}
			run = run || slices.ContainsFunc(document.Run, func(command []string) bool { return slices.Equal(command, []string{f.Path}) })
		}
	}
	if !run {
		t.Error("the script is not run")
	}
}

// The scripts of the packages are ones that a shell takes.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("package/*.sh")
	if err != nil || len(scripts) != 3 {
		t.Fatalf("found %v and %v", scripts, err)
	}
	for _, script := range scripts {
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

// What the program is built from comes into the image: .dockerignore leaves out none of it.
func TestDockerIgnore(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Dir,Module,GoFiles,EmbedFiles", "../cmd/gslb").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ignored []*regexp.Regexp
	for line := range strings.Lines(read(t, "../.dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			pattern := regexp.QuoteMeta(line)
			pattern = strings.ReplaceAll(pattern, `\*\*/`, `(.*/)?`)
			pattern = strings.ReplaceAll(pattern, `\*`, `[^/]*`)
			ignored = append(ignored, regexp.MustCompile("^"+pattern+"(/.*)?$"))
		}
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p struct {
			Dir                 string
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			path, err := filepath.Rel(root, filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files++
			for _, pattern := range ignored {
				if pattern.MatchString(path) {
					t.Errorf("%s is left out of the image", path)
				}
			}
		}
	}
	if files < 100 {
		t.Errorf("only %d files were looked at", files)
	}
}
