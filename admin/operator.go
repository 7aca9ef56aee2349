package admin

import (
	"context"

	"gslb/admin/api"
)

// Operator carries out what persons and programs ask of the server over the API. An error that is an
// *api.Problem is answered as it is; any other is a fault of the program. By is who asks, as in
// api.Override.By. Each call ends soon after its context does. All methods are safe for concurrent use.
type Operator interface {
	// Overrides is what is kept, by id. It is called for every page and must cost little.
	Overrides() *api.OverrideList
	// Preview tells what Put would change.
	Preview(ctx context.Context, by string, r *api.OverrideRequest) (*api.OverrideResult, error)
	// Put keeps an override, and returns when what it changes is answered.
	Put(ctx context.Context, by string, r *api.OverrideRequest) (*api.OverrideResult, error)
	// Remove ends an override, or as a preview tells what that would change.
	Remove(ctx context.Context, by, id string, r *api.RemoveRequest) (*api.OverrideResult, error)
	// Clear does the same to all.
	Clear(ctx context.Context, by string, r *api.RemoveRequest) (*api.OverrideResult, error)

	// PreviewFailback tells what Failback would change.
	PreviewFailback(ctx context.Context, name string) (*api.FailbackResult, error)
	// Failback ends what keeps a name from its preferred pool.
	Failback(ctx context.Context, by, name string) (*api.FailbackResult, error)

	// Switch begins a planned move of a name, SwitchOf tells how far it is, and Abort ends it.
	Switch(ctx context.Context, by, name string, r *api.SwitchRequest) (*api.Switch, error)
	SwitchOf(ctx context.Context, name string) (*api.Switch, error)
	Abort(ctx context.Context, by, name string) (*api.Switch, error)
	// PreviewSwitch and PreviewAbort tell what these would do.
	PreviewSwitch(ctx context.Context, by, name string, r *api.SwitchRequest) (*api.SwitchPreview, error)
	PreviewAbort(ctx context.Context, name string) (*api.SwitchPreview, error)

	// Explain tells why a name answers what it does.
	Explain(ctx context.Context, r *api.ExplainRequest) (*api.Explanation, error)
	// Plan tells what a configuration would change. With remote, who asks may not see files of this
	// machine.
	Plan(ctx context.Context, remote bool, r *api.PlanRequest) (*api.Plan, error)
	// Apply takes the configuration that is pending into use.
	Apply(ctx context.Context, by string, r *api.ApplyRequest) (*api.ApplyResult, error)
}
