//go:build integration

// Package replicating holds the built server, bin/gslb, to what it promises of replicated data: real DynamoDB
// Locals, with a copier between them in place of AWS's, that halts, delays and refuses.
package replicating

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"gslb/integration/parts"
)

// regionOf is where the pools are, by their names.
var regionOf = map[string]string{"nyc": "us-east-1", "ams": "eu-west-1", "sin": "ap-southeast-1"}

// databases is a DynamoDB in each region, by the names of the pools. They take seconds to start, so that all
// tests share them, each with a table of its own. TestMain sets them once.
var databases map[string]*parts.DynamoDBLocal

func TestMain(m *testing.M) {
	// Tests mostly wait, so that three run beside each other on two processors too.
	flag.Parse()
	if err := flag.Set("test.parallel", "3"); err != nil {
		panic(err)
	}
	os.Exit(parts.Isolated(func() int { return withDatabases(m.Run) }))
}

// withDatabases runs the tests among databases that are gone afterwards.
func withDatabases(run func() int) (status int) {
	complain := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "gslb-replicating-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	lab, err := parts.NewLab(dir)
	if err != nil {
		return complain(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			status = complain(fmt.Errorf("close the lab of the databases: %w", err))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if databases, err = startDatabases(ctx, lab); err != nil {
		return complain(fmt.Errorf("%w\nlogs of the parts:\n%s", err, lab.Logs()))
	}
	return run()
}

func startDatabases(ctx context.Context, lab *parts.Lab) (map[string]*parts.DynamoDBLocal, error) {
	var mu sync.Mutex
	started, all := make(map[string]*parts.DynamoDBLocal), error(nil)
	var group sync.WaitGroup
	for pool, region := range regionOf {
		group.Go(func() {
			d, err := lab.StartDynamoDBLocal(ctx, parts.DynamoDBConfig{Name: pool + "-dynamodb", Region: region})
			mu.Lock()
			defer mu.Unlock()
			started[pool], all = d, errors.Join(all, err)
		})
	}
	group.Wait()
	return started, all
}

// must ends the test for an error that leaves nothing to test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
