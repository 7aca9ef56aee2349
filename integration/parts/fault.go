package parts

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Fault is something that can befall a region, by the word that make fail takes.
type Fault string

const (
	LoadBalancerKilled Fault = "lb-kill"       // connections are refused
	LoadBalancerHung   Fault = "lb-hang"       // connections open and nothing comes
	AppFailing         Fault = "app-503"       // every app server's health check says 503
	DynamoDBStopped    Fault = "dynamodb-stop" // its endpoint refuses connections
	DynamoDBHung       Fault = "dynamodb-hang" // its endpoint accepts and never answers
	TableGone          Fault = "table-gone"    // its table was deleted

	ReplicationStopped Fault = "replication-stop" // nothing is copied from or to it
)

// Faults returns all faults.
func Faults() []Fault {
	return []Fault{LoadBalancerKilled, LoadBalancerHung, AppFailing, DynamoDBStopped, DynamoDBHung, TableGone, ReplicationStopped}
}

// Inflict brings a fault about. It returns when the fault is there, which is before
// anybody may have noticed. One fault may come on top of another.
func (r *Region) Inflict(ctx context.Context, fault Fault) error {
	switch fault {
	case LoadBalancerKilled:
		r.KillLoadBalancer()
		return nil
	case LoadBalancerHung:
		return r.HangLoadBalancer(ctx)
	case AppFailing:
		return r.App503()
	case DynamoDBStopped:
		r.StopDynamoDB()
		return nil
	case DynamoDBHung:
		return r.HangDynamoDB(ctx)
	case TableGone:
		return r.DeleteTable(ctx)
	case ReplicationStopped:
		return r.StopReplication()
	}
	return fmt.Errorf("fault %q is not one of %s", fault, faultList())
}

func faultList() string {
	words := make([]string, 0, len(Faults()))
	for _, fault := range Faults() {
		words = append(words, string(fault))
	}
	return strings.Join(words, ", ")
}

// KillLoadBalancer ends the load balancer at once.
func (r *Region) KillLoadBalancer() { r.LoadBalancer.Kill() }

// HangLoadBalancer halts the load balancer: the kernel still accepts connections for it.
func (r *Region) HangLoadBalancer(ctx context.Context) error { return r.LoadBalancer.Hang(ctx) }

// App503 has the health check of every app server answer 503.
func (r *Region) App503() error {
	for _, app := range r.Apps {
		if err := app.Fail("told to fail"); err != nil {
			return err
		}
	}
	return nil
}

// StopDynamoDB ends DynamoDB at once, and its tables with it.
func (r *Region) StopDynamoDB() { r.DynamoDB.Kill() }

// HangDynamoDB halts DynamoDB: the kernel still accepts connections for it.
func (r *Region) HangDynamoDB(ctx context.Context) error { return r.DynamoDB.Hang(ctx) }

// DeleteTable removes the region's table.
func (r *Region) DeleteTable(ctx context.Context) error {
	return r.DynamoDB.DeleteTable(ctx, r.config.Table)
}

// StopReplication has nothing copied from or to the region's table. What is written waits.
func (r *Region) StopReplication() error {
	if r.Global == nil {
		return fmt.Errorf("region %s: its table is copied nowhere", r.Name)
	}
	r.Global.HaltAll(r.config.AWSRegion)
	return nil
}

// Heal undoes every fault, and returns once the region's health check passes again.
func (r *Region) Heal(ctx context.Context) error {
	if r.Global != nil {
		r.Global.ResumeAll(r.config.AWSRegion)
	}
	parts := []*Part{r.DynamoDB.Part, r.LoadBalancer.Part}
	for _, app := range r.Apps {
		parts = append(parts, app.Part)
		if err := app.Recover(); err != nil {
			return fmt.Errorf("region %s: %w", r.Name, err)
		}
	}
	for _, part := range parts {
		part.Resume()
		if part.Running() {
			continue
		}
		if err := part.Start(ctx); err != nil {
			return fmt.Errorf("region %s: %w", r.Name, err)
		}
	}
	if err := r.fillTable(ctx); err != nil {
		return fmt.Errorf("region %s: %w", r.Name, err)
	}
	return r.LoadBalancer.Serves(ctx, "/health", http.StatusOK)
}
