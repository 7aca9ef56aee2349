//go:build integration

package parts

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGlobalTable writes in three regions, and has the copying halted, delayed, and a region restarted.
func TestGlobalTable(t *testing.T) {
	checkLeaks(t)
	ctx := within(t)
	lab := ForTest(t)
	const table = "Orders"
	var regions []*DynamoDBLocal
	for _, name := range []string{"us-east-1", "eu-west-1", "ap-southeast-1"} {
		d, err := lab.StartDynamoDBLocal(ctx, DynamoDBConfig{Name: name, Region: name})
		if err != nil {
			t.Fatal(err)
		}
		regions = append(regions, d)
	}
	us, eu, ap := regions[0], regions[1], regions[2]
	global, err := StartGlobalTable(ctx, table, "id", regions...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := global.Close(); err != nil {
			t.Error(err)
		}
	})
	write := func(d *DynamoDBLocal, id, value string) {
		t.Helper()
		if err := d.PutItem(ctx, table, map[string]string{"id": id, "value": value}); err != nil {
			t.Fatal(err)
		}
	}
	has := func(d *DynamoDBLocal, id, value string) error {
		item, err := d.Item(ctx, table, map[string]string{"id": id})
		if diff := cmp.Diff(map[string]string{"id": id, "value": value}, item); err == nil && diff != "" {
			err = fmt.Errorf("%s: item %s (-want +got):\n%s", d.Name(), id, diff)
		}
		return err
	}
	await := func(d *DynamoDBLocal, id, value string) {
		t.Helper()
		if err := Until(ctx, "the item arrives", func(context.Context) error { return has(d, id, value) }); err != nil {
			t.Fatal(err)
		}
	}

	write(us, "1", "a")
	write(eu, "2", "b")
	for _, d := range regions {
		await(d, "1", "a")
		await(d, "2", "b")
	}

	write(eu, "1", "c") // over a copy
	await(us, "1", "c")
	await(ap, "1", "c")

	global.Halt(us.Region, eu.Region)
	write(us, "1", "d")
	await(ap, "1", "d")
	if err := has(eu, "1", "c"); err != nil {
		t.Error(err)
	}
	write(eu, "1", "e") // later: the last writer wins, everywhere
	await(us, "1", "e")
	global.Resume(us.Region, eu.Region)
	write(us, "3", "f")
	await(eu, "3", "f")
	if err := has(eu, "1", "e"); err != nil {
		t.Error(err)
	}

	const delay = time.Second
	global.Delay(us.Region, ap.Region, delay)
	begun := time.Now()
	write(us, "4", "g")
	await(ap, "4", "g")
	if took := time.Since(begun); took < delay {
		t.Errorf("what was delayed by %s arrived after %s", delay, took)
	}

	global.HaltAll(ap.Region)
	write(ap, "5", "h")
	write(us, "5", "i")
	await(eu, "5", "i")
	if err := has(ap, "5", "h"); err != nil {
		t.Error(err)
	}
	write(us, "5", "m") // certainly after the other was read from its stream
	await(eu, "5", "m")
	global.ResumeAll(ap.Region)
	await(ap, "5", "m")

	// What is written more often than the delay arrives nevertheless, each version in its turn.
	if err := Until(ctx, "an item that is written all the time arrives", func(context.Context) error {
		write(us, "7", "n")
		return has(ap, "7", "n")
	}); err != nil {
		t.Fatal(err)
	}

	// A region that was paused goes on where it was.
	if err := us.Hang(ctx); err != nil {
		t.Fatal(err)
	}
	write(eu, "1", "j")
	us.Resume()
	await(us, "1", "j")
	await(ap, "1", "j")

	// One that was restarted has lost everything, and takes part again.
	us.Kill()
	if err := us.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := us.CreateTable(ctx, table, "id"); err != nil {
		t.Fatal(err)
	}
	write(us, "6", "k")
	await(eu, "6", "k")
	write(eu, "1", "l")
	await(us, "1", "l")

	// One whose table was deleted and made again has another stream, while the old one can still be read.
	if err := eu.DeleteTable(ctx, table); err != nil {
		t.Fatal(err)
	}
	if err := eu.CreateTable(ctx, table, "id"); err != nil {
		t.Fatal(err)
	}
	write(eu, "8", "o")
	await(us, "8", "o")
	await(ap, "8", "o")
	write(us, "1", "p")
	await(eu, "1", "p")
}
