package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
)

// admit does with a manifest what the API server of Kubernetes does before it keeps one: it reads it strictly, fills in
// the defaults, and holds it to the rules of its kind. What kubectl would show as a warning is an error, too.
func admit(manifest string) error {
	rules := map[string]rest.RESTCreateStrategy{
		"ConfigMap": configmap.Strategy, "Service": service.Strategy,
		"StatefulSet": statefulset.Strategy, "PodDisruptionBudget": poddisruptionbudget.Strategy,
	}
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	versioned, kind, err := codecs.UniversalDeserializer().Decode([]byte(manifest), nil, nil)
	if err != nil {
		return err
	}
	legacyscheme.Scheme.Default(versioned)
	object, err := legacyscheme.Scheme.ConvertToVersion(versioned, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return err
	}
	if rules[kind.Kind] == nil {
		return fmt.Errorf("no rules are known for %s", kind.Kind)
	}
	accessor, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T has no metadata", object)
	}
	rest.FillObjectMetaSystemFields(accessor)
	said := make(warnings)
	ctx := request.WithRequestInfo(request.WithNamespace(warning.WithWarningRecorder(context.Background(), said), "default"),
		&request.RequestInfo{APIGroup: kind.Group, APIVersion: kind.Version})
	accessor.SetNamespace("default")
	if s, is := object.(*core.Service); is { // some of it comes from the server's storage
		single := core.IPFamilyPolicySingleStack
		s.Spec.IPFamilyPolicy, s.Spec.IPFamilies = &single, []core.IPFamily{core.IPv4Protocol}
		s.Spec.ClusterIP = cmp.Or(s.Spec.ClusterIP, "10.0.0.1")
		s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
		if s.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal {
			s.Spec.HealthCheckNodePort = 30000
		}
	}
	if err := rest.BeforeCreate(rules[kind.Kind], ctx, object); err != nil {
		return err
	}
	if len(said) > 0 {
		return fmt.Errorf("%s: warnings: %q", kind.Kind, slices.Sorted(maps.Keys(said)))
	}
	return nil
}

type warnings map[string]bool

func (w warnings) AddWarning(_, text string) { w[text] = true }

// The API server takes what the chart makes, whatever the values, and refuses what it is known to refuse.
func TestAdmitted(t *testing.T) {
	for what, c := range choices {
		manifests := strings.Split(render(t, c.values), "---\n")[1:]
		if len(manifests) != c.kinds {
			t.Errorf("%s: got %d manifests, want %d", what, len(manifests), c.kinds)
		}
		for _, manifest := range manifests {
			if err := admit(manifest); err != nil {
				t.Errorf("%s: %v\n%s", what, err, manifest)
			}
		}
	}
	if text := render(t, map[string]any{"podMonitor": true}); !strings.Contains(text, "kind: PodMonitor") {
		t.Error("there is no PodMonitor")
	}
	usual := render(t, nil)
	for _, wrong := range []struct{ old, new, want string }{
		{"hostPort: 53", "hostPort: 70000", "hostPort"},
		{"maxUnavailable: 1", "maxUnavailable: 101%", "maxUnavailable"},
		{"  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: gslb", "  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: other", "selector"},
		{"mountPath: /etc/gslb,", "mountPath: /var/lib/gslb,", "must be unique"},
		{"port: admin }\n            periodSeconds: 5", "port: an-admin-port-of-some-length }\n            periodSeconds: 5", "port"},
		{"whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: Schedule", "whenUnsatisfiable"},
		{"readOnlyRootFilesystem", "readOnlyFilesystem", "unknown field"},
	} {
		text := strings.Replace(usual, wrong.old, wrong.new, 1)
		if text == usual {
			t.Errorf("%q is not in the manifests", wrong.old)
		}
		var err error
		for _, manifest := range strings.Split(text, "---\n")[1:] {
			if err == nil {
				err = admit(manifest)
			}
		}
		if err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%q instead of %q: got %v, want %q", wrong.new, wrong.old, err, wrong.want)
		}
	}
}
