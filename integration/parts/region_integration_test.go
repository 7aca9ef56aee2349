//go:build integration

package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func nyc() RegionConfig {
	return RegionConfig{
		Name:      "nyc",
		AWSRegion: "us-east-1",
		Listen:    netip.MustParseAddrPort("127.0.0.11:8080"),
		Table:     "YourAppTable",
		Key:       map[string]string{"id": "123"},
	}
}

// health is what the app's health check answers.
type health struct {
	Status, Region, Reason string
}

func getHealth(ctx context.Context, url string) (int, health, error) {
	status, body, err := Get(ctx, url)
	if err != nil {
		return 0, health{}, err
	}
	var h health
	err = json.Unmarshal(body, &h)
	return status, h, err
}

// TestRegion inflicts every fault on one region and heals it, and watches both the load
// balancer and DynamoDB, as a gslb does.
func TestRegion(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	region, err := ForTest(t).StartRegion(ctx, nyc())
	if err != nil {
		t.Fatal(err)
	}
	load := region.LoadBalancer

	status, h, err := getHealth(ctx, load.URL("/health"))
	if want := (health{Status: "ok", Region: "us-east-1"}); err != nil || status != http.StatusOK || h != want {
		t.Errorf("/health = %d %+v, %v; want 200 and %+v", status, h, err, want)
	}
	var page struct{ Item map[string]string }
	if _, body, err := Get(ctx, load.URL("/")); err != nil || json.Unmarshal(body, &page) != nil {
		t.Errorf("/ = %s, %v; want JSON", body, err)
	}
	if diff := cmp.Diff(map[string]string{"id": "123", "message": "hello from us-east-1"}, page.Item); diff != "" {
		t.Errorf("the item of / (-want +got):\n%s", diff)
	}

	serves503 := func(ctx context.Context) error { return load.Serves(ctx, "/health", http.StatusServiceUnavailable) }
	fails := func(url string, with error) func(context.Context) error {
		return func(ctx context.Context) error {
			status, _, err := Get(ctx, url)
			if !errors.Is(err, with) {
				return fmt.Errorf("GET %s = %d, %v; want the error %v", url, status, err, with)
			}
			return nil
		}
	}
	hangs := context.DeadlineExceeded // what a timeout of net/http is
	for _, test := range []struct {
		fault Fault
		seen  []func(context.Context) error
	}{
		{LoadBalancerKilled, []func(context.Context) error{fails(load.URL("/health"), syscall.ECONNREFUSED)}},
		{LoadBalancerHung, []func(context.Context) error{fails(load.URL("/health"), hangs)}},
		{AppFailing, []func(context.Context) error{serves503}},
		{DynamoDBStopped, []func(context.Context) error{serves503, fails(region.DynamoDB.Endpoint, syscall.ECONNREFUSED)}},
		{DynamoDBHung, []func(context.Context) error{serves503, fails(region.DynamoDB.Endpoint, hangs)}},
		{TableGone, []func(context.Context) error{serves503}},
	} {
		t.Run(string(test.fault), func(t *testing.T) {
			ctx := within(t)
			if err := region.Inflict(ctx, test.fault); err != nil {
				t.Fatal(err)
			}
			for _, seen := range test.seen {
				if err := seen(ctx); err != nil {
					t.Error(err)
				}
			}
			if err := region.Heal(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestAppReasons reads the reason that the app gives, at the app and not at the load
// balancer, which has its own 503.
func TestAppReasons(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	lab := ForTest(t)
	database, err := lab.StartDynamoDBLocal(ctx, DynamoDBConfig{Name: "dynamodb", Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	app, err := lab.StartPHPApp(ctx, PHPAppConfig{
		Name: "app", Listen: netip.MustParseAddrPort("127.0.0.12:8000"),
		Region: "eu-west-1", Endpoint: database.Endpoint, Table: "YourAppTable", Key: map[string]string{"id": "123"},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, wantStatus int, want health) {
		t.Helper()
		want.Region = "eu-west-1"
		// A busy machine may make DynamoDB too slow for the app once.
		if err := Until(ctx, "the app says: "+when, func(ctx context.Context) error {
			status, got, err := getHealth(ctx, "http://"+app.Listen.String()+"/health")
			if err == nil && (status != wantStatus || got != want) {
				err = fmt.Errorf("it says %d %+v, want %d %+v", status, got, wantStatus, want)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	check("no table", 503, health{Status: "fail",
		Reason: "DynamoDB: status 400: com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"})
	must(database.CreateTable(ctx, "YourAppTable", "id"))
	must(database.CreateTable(ctx, "YourAppTable", "id"))
	check("no such item", 200, health{Status: "ok"})
	must(database.PutItem(ctx, "YourAppTable", map[string]string{"id": "123"}))
	check("all is well", 200, health{Status: "ok"})
	must(app.Fail("maintenance\n"))
	check("told to fail", 503, health{Status: "fail", Reason: "maintenance"})
	must(app.Recover())
	must(app.Recover())
	check("recovered", 200, health{Status: "ok"})
	must(database.DeleteTable(ctx, "YourAppTable"))
	must(database.DeleteTable(ctx, "YourAppTable"))
	database.Kill()
	if _, got, err := getHealth(ctx, "http://"+app.Listen.String()+"/health"); err != nil || got.Status != "fail" {
		t.Errorf("DynamoDB killed: %+v, %v; want a failing health check", got, err)
	}
	must(database.Start(ctx))
	must(database.CreateTable(ctx, "YourAppTable", "id"))
	check("DynamoDB started again", 200, health{Status: "ok"})
}
