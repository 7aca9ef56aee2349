// Package check holds what is in deploy/ to the tools that read it: Helm, the rules of Kubernetes' API server, Compose,
// Docker and Terraform. It is a module of its own, so that none of them comes into the server's: make check-deploy.
package check

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"helm.sh/helm/v3/pkg/chart"
	chartloader "helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

var update = flag.Bool("update", false, "write deploy/kubernetes/gslb.yaml anew")

const chartDir = "../helm/gslb"

// render is the manifests of the chart, as helm install makes them.
func render(t *testing.T, values map[string]any) string {
	t.Helper()
	c, err := chartloader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return manifests(t, c, values)
}

func manifests(t *testing.T, c *chart.Chart, values map[string]any) string {
	t.Helper()
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "gslb", Namespace: "default", IsInstall: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, name := range []string{"configmap", "service", "statefulset", "poddisruptionbudget", "podmonitor"} {
		text := strings.TrimSpace(files["gslb/templates/"+name+".yaml"])
		if text != "" {
			out.WriteString("---\n" + text + "\n")
		}
	}
	return out.String()
}

// choices are values of the chart, and how many manifests it makes of them.
var choices = map[string]struct {
	values map[string]any
	kinds  int
}{
	"as it is":         {nil, 4},
	"one server":       {map[string]any{"replicas": 1}, 4},
	"load balancers":   {map[string]any{"expose": "loadBalancer", "replicas": 3, "loadBalancer": map[string]any{"annotations": map[string]any{"a": "b"}}}, 7},
	"without a volume": {map[string]any{"state": map[string]any{"persistent": false}}, 4},
	"everything": {map[string]any{
		"secretName": "gslb", "priorityClassName": "high", "podAnnotations": map[string]any{"a": "b"}, "nodeSelector": map[string]any{"dns": "yes"},
		"imagePullSecrets": []any{map[string]any{"name": "registry"}}, "env": []any{map[string]any{"name": "A", "value": "b"}},
		"tolerations": []any{map[string]any{"key": "dns", "operator": "Exists"}}, "image": map[string]any{"repository": "registry.example.com/gslb", "tag": "1.0.0"},
		"state": map[string]any{"storageClassName": "fast", "size": "2Gi"},
	}, 4},
}

// Values that the schema does not know are refused.
func TestValues(t *testing.T) {
	c, err := chartloader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range []map[string]any{{"expose": "nodePort"}, {"replicas": 0}, {"image": map[string]any{"repositry": "x"}}, {"unknown": 1}} {
		if err := chartutil.ValidateAgainstSchema(c, merge(c.Values, values)); err == nil {
			t.Errorf("%v is taken", values)
		}
	}
	if err := chartutil.ValidateAgainstSchema(c, c.Values); err != nil {
		t.Error(err)
	}
}

func merge(base, over map[string]any) map[string]any {
	merged := make(map[string]any)
	for key, value := range base {
		merged[key] = value
	}
	for key, value := range over {
		merged[key] = value
	}
	return merged
}

func TestChartLint(t *testing.T) {
	for _, message := range lint.All(chartDir, nil, "default", true).Messages {
		if message.Severity > support.InfoSev {
			t.Errorf("%v", message)
		}
	}
}

// The manifests for those without Helm are what the chart makes of its own values.
func TestManifests(t *testing.T) {
	const path = "../kubernetes/gslb.yaml"
	want := "# Two name servers on nodes of their own. Made of the chart in ../helm/gslb, which has the choices: go test . -update\n" +
		"# in ../check writes it anew.\n" + render(t, nil)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the chart makes: write it anew by -update", path)
	}
}

func TestCompose(t *testing.T) {
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: "../compose", ConfigFiles: []types.ConfigFile{{Filename: "../compose/compose.yaml"}},
	}, func(o *loader.Options) { o.SetProjectName("gslb", true) })
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ns1", "ns2", "nyc", "ams"} {
		if _, err := project.GetService(name); err != nil {
			t.Error(err)
		}
	}
}

func TestDockerfile(t *testing.T) {
	f, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range parsed.Warnings {
		t.Errorf("%v", warning)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || stages[0].Platform != "$BUILDPLATFORM" || stages[1].BaseName != "scratch" {
		t.Errorf("got the stages %+v; want one that builds on the machine's own processor, and one from scratch", stages)
	}
}

func TestTerraform(t *testing.T) {
	files, err := filepath.Glob("../terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v and %v", files, err)
	}
	p := hclparse.NewParser()
	for _, file := range files {
		if _, problems := p.ParseHCLFile(file); problems.HasErrors() {
			t.Error(problems)
		}
	}
	// cloud-init.yaml is a template of Terraform: all that it uses is given.
	text, err := os.ReadFile("../terraform/cloud-init.yaml")
	if err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile("../terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(string(text), -1) {
		if !regexp.MustCompile(`(?m)^    ` + used[1] + `\s+=`).Match(main) {
			t.Errorf("cloud-init.yaml uses %s, which main.tf does not give", used[1])
		}
	}
}
