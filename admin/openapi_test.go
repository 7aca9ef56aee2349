package admin

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gslb/admin/api"
	"gslb/health"
	"gslb/incident"
	"gslb/journal"
	"gslb/override"
	"gslb/publish"
	"gslb/steer"
	"gslb/zones"
)

// spoken is what the API says and takes. What these types are made of follows from them.
var spoken = []any{
	api.Status{}, api.NameList{}, api.PoolList{}, api.TargetList{}, api.EventList{}, api.IncidentList{}, api.OverrideList{}, api.OverrideRequest{}, api.RemoveRequest{},
	api.OverrideResult{}, api.FailbackResult{}, api.SwitchRequest{}, api.Switch{}, api.Explanation{}, api.PlanRequest{}, api.Plan{}, api.ApplyRequest{},
	api.ApplyResult{}, api.PushRequest{}, api.PushResult{}, api.Problem{}, api.ReplicationList{}, api.HistoryList{}, api.NotifyList{}, api.NotifyTestRequest{}, api.NotifyTestResult{},
}

// words is the types whose values are a few words.
var words = map[reflect.Type][]string{
	reflect.TypeFor[health.Status]():      {"up", "down", "unknown"},
	reflect.TypeFor[steer.Mode]():         transform(steer.Modes[:], func(m steer.Mode) string { return string(m) }),
	reflect.TypeFor[override.Kind]():      {string(override.Pin), string(override.Drain), string(override.Force)},
	reflect.TypeFor[zones.Policy]():       {"failover", "weighted", "sticky", "all", "nearest"},
	reflect.TypeFor[api.Phase]():          {string(api.SwitchLowersTTL), string(api.SwitchWatches), string(api.SwitchDone), string(api.SwitchAborted)},
	reflect.TypeFor[publish.Difference](): {string(publish.FirstAnswer), string(publish.OtherPool), string(publish.OtherMode), string(publish.OtherAddresses), string(publish.OtherWeights)},
	reflect.TypeFor[incident.Kind]():      transform(incident.Kinds[:], func(k incident.Kind) string { return string(k) }),
	reflect.TypeFor[journal.Kind](): {
		string(journal.Target), string(journal.Expiry), string(journal.Pool), string(journal.Answer), string(journal.Config), string(journal.Reload), string(journal.Pending), string(journal.Override),
		string(journal.Copy), string(journal.Hold), string(journal.Switch), string(journal.Failback),
	},
}

// TestDescriptionOfTypes: the schemas of the description are those of the Go types, with what their
// comments say. With -update they are written.
func TestDescriptionOfTypes(t *testing.T) {
	g := &schemas{made: make(map[string]any), comments: commentsOf(t, "api", "../journal", "../override", "../incident")}
	for _, value := range spoken {
		g.of(reflect.TypeOf(value))
	}
	var doc description
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	if *update {
		doc.Components.Schemas = asJSON(t, g.made)
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(doc); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("openapi.json", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	var got, want any
	for text, into := range map[*any]json.RawMessage{&got: doc.Components.Schemas, &want: asJSON(t, g.made)} {
		if err := json.Unmarshal(into, text); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("openapi.json does not have the schemas of the Go types (-want +got); go test ./admin -run Description -update writes them:\n%s", diff)
	}
}

// TestDescriptionIsValid: by OpenAPI 3.1, and with every operation that the server has.
func TestDescriptionIsValid(t *testing.T) {
	doc := described(t)
	var inDocument, inServer []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			inDocument = append(inDocument, method+" "+path+" "+item.GetOperation(method).OperationID)
		}
	}
	s, _ := newWorld(time.Now()).server()
	for _, o := range s.operations() {
		inServer = append(inServer, o.method+" "+v1+strings.Replace(o.path, "...}", "}", 1)+" "+o.id)
	}
	slices.Sort(inDocument)
	slices.Sort(inServer)
	if diff := cmp.Diff(inServer, inDocument); diff != "" {
		t.Errorf("operations (-server +document):\n%s", diff)
	}
}

// described is the description, read and found valid.
func described(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapi)
	if err != nil {
		t.Fatal(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Fatalf("it is of OpenAPI %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// description is the parts of the document, in their order.
type description struct {
	OpenAPI    string          `json:"openapi"`
	Info       json.RawMessage `json:"info"`
	Servers    json.RawMessage `json:"servers"`
	Tags       json.RawMessage `json:"tags"`
	Paths      json.RawMessage `json:"paths"`
	Components struct {
		SecuritySchemes json.RawMessage `json:"securitySchemes"`
		Parameters      json.RawMessage `json:"parameters"`
		Responses       json.RawMessage `json:"responses"`
		Schemas         json.RawMessage `json:"schemas"`
	} `json:"components"`
}

func asJSON(t *testing.T, value any) json.RawMessage {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// schemas makes JSON schemas of Go types.
type schemas struct {
	made     map[string]any    // by name
	comments map[string]string // of "package.Type" and "package.Type.Field"
}

type object = map[string]any

// of is the schema of a type: of a struct a reference to what it makes.
func (g *schemas) of(typ reflect.Type) object {
	if list, known := words[typ]; known {
		return object{"type": "string", "enum": list}
	}
	switch typ {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix]():
		return object{"type": "string"}
	}
	switch typ.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{"type": []string{"number", "string"}}
	case reflect.Slice:
		return object{"type": "array", "items": g.of(typ.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": g.of(typ.Elem())}
	case reflect.Pointer:
		return g.of(typ.Elem())
	case reflect.Struct:
		name := schemaName(typ)
		if _, known := g.made[name]; !known {
			g.made[name] = nil // for a type that has itself in it
			g.made[name] = g.structure(typ)
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic("no schema for " + typ.String())
}

// schemaName is the name of a type, which in several packages may be the same.
func schemaName(typ reflect.Type) string {
	switch room := filepath.Base(typ.PkgPath()); {
	case room == "api", typ == reflect.TypeFor[journal.Event]():
		return typ.Name()
	case room == "journal":
		return "Event" + typ.Name()
	default:
		return "Event" + strings.ToUpper(room[:1]) + room[1:] + strings.TrimPrefix(typ.Name(), "Override")
	}
}

func (g *schemas) structure(typ reflect.Type) object {
	properties, required := object{}, []string{}
	for _, field := range reflect.VisibleFields(typ) {
		key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && key == "" || key == "-" {
			continue // its fields are visible too
		}
		schema := g.of(field.Type)
		optional := strings.Contains(options, "omit")
		if !optional {
			required = append(required, key)
		}
		if field.Type.Kind() == reflect.Pointer && !optional { // null stands for nothing
			if kind, simple := schema["type"]; simple {
				schema["type"] = []any{kind, "null"}
			} else {
				schema = object{"anyOf": []any{schema, object{"type": "null"}}}
			}
		}
		if about := g.comments[ownerOf(typ, field)+"."+field.Name]; about != "" {
			schema["description"] = about
		}
		properties[key] = schema
	}
	made := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		made["required"] = required
	}
	if strings.HasSuffix(typ.Name(), "Request") {
		made["additionalProperties"] = false // a mistyped key must not be without effect
	}
	if about := g.comments[typ.String()]; about != "" {
		made["description"] = about
	}
	return made
}

// ownerOf is the type that a field is declared in: the struct or one that it embeds.
func ownerOf(typ reflect.Type, field reflect.StructField) string {
	for _, i := range field.Index[:len(field.Index)-1] {
		typ = typ.Field(i).Type
	}
	return typ.String()
}

// commentsOf reads what is said of the types of some folders and of their fields.
func commentsOf(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	comments := make(map[string]string)
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files in %s: %v", folder, err)
		}
		for _, path := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				if types, ok := decl.(*ast.GenDecl); ok && types.Tok == token.TYPE {
					addComments(comments, file.Name.Name, types)
				}
			}
		}
	}
	return comments
}

func addComments(comments map[string]string, room string, types *ast.GenDecl) {
	for _, spec := range types.Specs {
		typ := spec.(*ast.TypeSpec)
		name := room + "." + typ.Name.Name
		comments[name] = oneLine(types.Doc)
		structure, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			for _, ident := range field.Names {
				comments[name+"."+ident.Name] = strings.TrimSpace(oneLine(field.Doc) + " " + oneLine(field.Comment))
			}
		}
	}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
