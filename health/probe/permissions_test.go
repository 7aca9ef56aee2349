package probe

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"

	"gslb/health"
)

// The policies of docs/dynamodb.md allow what each mode does, and nothing else.
func TestDocumentedPermissions(t *testing.T) {
	page, err := os.ReadFile("../../docs/dynamodb.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented [][]string
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		var policy struct {
			Statement []struct{ Action any }
		}
		if err := json.Unmarshal([]byte(block[1]), &policy); err != nil {
			t.Errorf("%v in %s", err, block[1])
		}
		for _, statement := range policy.Statement {
			var actions []string
			switch list := statement.Action.(type) {
			case string:
				actions = []string{list}
			case []any:
				for _, action := range list {
					actions = append(actions, action.(string))
				}
			}
			documented = append(documented, actions)
		}
	}

	run := func(probes ...health.Spec) (actions []string) {
		table, endpoint := newReplica(t)
		for _, spec := range probes {
			switch s := spec.(type) {
			case *health.DynamoDB:
				s.Endpoint = endpoint
			case *health.Heartbeat:
				s.Endpoint = endpoint
				mark := health.Mark{Table: s.Table, Region: s.Region, Endpoint: endpoint, Key: s.Items[s.Region]}
				if _, err := NewMarks(Options{AWS: someCredentials}).Get(t.Context(), mark); err != nil {
					t.Fatal(err)
				}
			}
			want{health.Pass, "ok", ""}.check(t, runPromptly(t, mustMake(t, Options{AWS: someCredentials, Heartbeats: new(listener)}, spec)))
		}
		for _, action := range table.requests {
			if action = "dynamodb:" + action; !slices.Contains(actions, action) {
				actions = append(actions, action)
			}
		}
		slices.Sort(actions)
		return actions
	}
	used := [][]string{run(specItem("")), run(specWrite("")), run(specHeartbeat(""))}
	if !slices.EqualFunc(documented, used, slices.Equal) {
		t.Errorf("documented are %v, used are %v", documented, used)
	}
}
