package parts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
)

// Region is what stands in one place: a load balancer in front of two app servers, which
// read an item of a DynamoDB table.
type Region struct {
	Name         string
	LoadBalancer *HAProxy
	Apps         [2]*PHPApp
	DynamoDB     *DynamoDBLocal
	Global       *GlobalTable // that copies its table to other regions; nil: it is in this one alone

	config RegionConfig
}

// RegionConfig says how to set up a region.
type RegionConfig struct {
	Name      string           // the pool's; the parts are called after it
	AWSRegion string           // "us-east-1"
	Listen    netip.AddrPort   // of the load balancer; the app servers take free ports of the address
	Also      []netip.AddrPort // where the load balancer listens besides: its IPv6 address
	DynamoDB  netip.AddrPort   // the zero value: a free port of 127.0.0.1
	Table     string
	Key       map[string]string // of the item that is read; one string attribute
}

// StartRegion sets up a region and returns once its health check passes.
func (l *Lab) StartRegion(ctx context.Context, config RegionConfig) (*Region, error) {
	r := &Region{Name: config.Name, config: config}
	if err := r.start(ctx, l); err != nil {
		return nil, fmt.Errorf("region %s: %w", config.Name, err)
	}
	return r, nil
}

func (r *Region) start(ctx context.Context, lab *Lab) (err error) {
	if len(r.config.Key) != 1 {
		return fmt.Errorf("the key has %d attributes, expected one", len(r.config.Key))
	}
	r.DynamoDB, err = lab.StartDynamoDBLocal(ctx, DynamoDBConfig{
		Name: r.Name + "-dynamodb", Region: r.config.AWSRegion, Listen: r.config.DynamoDB,
	})
	if err != nil {
		return err
	}
	if err := r.fillTable(ctx); err != nil {
		return err
	}
	listens := make([]netip.AddrPort, len(r.Apps))
	for i := range r.Apps {
		if listens[i], err = lab.FreePort(r.config.Listen.Addr()); err != nil {
			return err
		}
		r.Apps[i], err = lab.StartPHPApp(ctx, PHPAppConfig{
			Name:     fmt.Sprintf("%s-app%d", r.Name, i+1),
			Listen:   listens[i],
			Region:   r.config.AWSRegion,
			Endpoint: r.DynamoDB.Endpoint,
			Table:    r.config.Table,
			Key:      r.config.Key,
		})
		if err != nil {
			return err
		}
	}
	r.LoadBalancer, err = lab.StartHAProxy(ctx, HAProxyConfig{
		Name: r.Name + "-haproxy", Listen: r.config.Listen, Also: r.config.Also, Apps: listens,
	})
	if err != nil {
		return err
	}
	return r.LoadBalancer.Serves(ctx, "/health", http.StatusOK)
}

// fillTable makes the table and its item, where they are not there.
func (r *Region) fillTable(ctx context.Context) error {
	item := map[string]string{"message": "hello from " + r.config.AWSRegion}
	for name, value := range r.config.Key {
		item[name] = value
		if err := r.DynamoDB.CreateTable(ctx, r.config.Table, name); err != nil {
			return err
		}
	}
	return r.DynamoDB.PutItem(ctx, r.config.Table, item)
}

// Replicate copies the table of several regions between them, until the table is closed.
func Replicate(ctx context.Context, regions ...*Region) (*GlobalTable, error) {
	var tables []*DynamoDBLocal
	for _, r := range regions {
		tables = append(tables, r.DynamoDB)
	}
	config := regions[0].config
	keys := slices.Collect(maps.Keys(config.Key))
	global, err := StartGlobalTable(ctx, config.Table, keys[0], tables...)
	if err != nil {
		return nil, err
	}
	for _, r := range regions {
		r.Global = global
	}
	return global, nil
}

// StartRegions sets up several regions at the same time.
func (l *Lab) StartRegions(ctx context.Context, configs ...RegionConfig) ([]*Region, error) {
	regions := make([]*Region, len(configs))
	errs := make([]error, len(configs))
	var group sync.WaitGroup
	for i, config := range configs {
		group.Go(func() { regions[i], errs[i] = l.StartRegion(ctx, config) })
	}
	group.Wait()
	return regions, errors.Join(errs...)
}
