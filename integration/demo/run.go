package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"gslb/integration/example"
	"gslb/integration/parts"
)

// run is the demonstration, until ctx ends.
func run(ctx context.Context, out io.Writer) (err error) {
	example, err := example.Read(zonesFile)
	if err != nil {
		return err
	}
	if running(ctx) {
		return errors.New("a demonstration is running already")
	}
	if err := portsFree(example); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	lab, err := parts.NewLab(folder)
	if err != nil {
		return err
	}
	screen := newScreen(out)
	defer func() {
		screen.say("stopping everything")
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil // it was asked to stop
		}
		if err = errors.Join(err, lab.Close()); err == nil {
			screen.say("stopped; nothing is left running")
		}
	}()
	return demonstrate(ctx, screen, lab, example)
}

func demonstrate(ctx context.Context, screen *screen, lab *parts.Lab, example *example.Example) error {
	for _, r := range example.Regions {
		screen.say("bringing up %s (%s): HAProxy on %v, two PHP app servers, DynamoDB Local on %v", r.Name, r.AWSRegion, r.Listen, r.DynamoDB)
	}
	begun := time.Now()
	regions, err := lab.StartRegions(ctx, example.Regions...)
	if err != nil {
		return err
	}
	screen.say("the regions are up, after %s", seconds(time.Since(begun)))
	if example.Copied {
		global, err := parts.Replicate(ctx, regions...)
		if err != nil {
			return err
		}
		defer global.Close() // what may have gone wrong is of no interest at the end
		screen.say("what is written into a region's table is copied to the others, as AWS does")
	}

	begun = time.Now()
	server, err := lab.StartGSLB(ctx, parts.GSLBConfig{
		Name: "gslb", Zones: zonesFile, Dir: ".", Listen: example.DNS, Admin: example.Admin,
		// DynamoDB Local takes any, but the AWS SDK must have some.
		Env: parts.Credentials(),
	})
	if err != nil {
		return err
	}
	screen.say("gslb serves %s, after %s", zonesFile, seconds(time.Since(begun)))

	faulty := make(map[string]faultyRegion, len(regions))
	for _, region := range regions {
		faulty[region.Name] = region
	}
	look := func(ctx context.Context) (view, error) { return look(ctx, server, example.Names) }
	control, err := startControl(socketFile, faulty, look, screen.say)
	if err != nil {
		return err
	}
	defer control.close()
	screen.block(hints(example))
	return watch(ctx, screen, server, look)
}

// portsFree says of every port of the example that is in use, and by what.
func portsFree(example *example.Example) error {
	errs := []error{
		parts.Free("udp", example.DNS), parts.Free("tcp", example.DNS), parts.Free("tcp", example.Admin),
	}
	for _, region := range example.Regions {
		// DynamoDB Local takes its port on all addresses.
		everywhere := netip.AddrPortFrom(netip.IPv4Unspecified(), region.DynamoDB.Port())
		errs = append(errs, parts.Free("tcp", region.Listen), parts.Free("tcp", everywhere))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the demonstration cannot have the addresses that %s gives it:\n%w", zonesFile, err)
	}
	return nil
}

// hints are the commands to try.
func hints(example *example.Example) []string {
	var faults []string
	for _, fault := range parts.Faults() {
		faults = append(faults, string(fault))
	}
	name, region := example.Names[0], example.Regions[len(example.Regions)-1].Name
	return []string{
		"In another terminal, try:",
		fmt.Sprintf("  dig @%v -p %d %s", example.DNS.Addr(), example.DNS.Port(), strings.TrimSuffix(name, ".")),
		fmt.Sprintf("  make fail REGION=%s FAULT=%s", region, faults[0]),
		"       FAULT may be " + strings.Join(faults, ", "),
		fmt.Sprintf("  make heal REGION=%s", region),
		fmt.Sprintf("  curl http://%v/metrics       (in a browser: http://%v/)", example.Admin, example.Admin),
		fmt.Sprintf("The logs of all parts are in %s. Ctrl-C stops everything.", folder),
	}
}

// watch shows what is up and what is answered, whenever that changes.
func watch(ctx context.Context, screen *screen, server *parts.GSLB, look func(context.Context) (view, error)) error {
	const every = 100 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var shown []string
	var live string // the hash of the configuration
	for {
		if !server.Running() {
			log, _ := server.Log()
			return fmt.Errorf("gslb has ended; its log ends:\n%s", lastLines(log, 10))
		}
		view, err := look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lines := []string{"gslb does not say what is up"}
		if err == nil {
			lines = view.lines(screen.paint)
			if hash := view.status.Config.Hash; hash != live {
				if live != "" {
					screen.say("%s was changed, and is served as it is now", zonesFile)
				}
				live = hash
			}
		}
		if !slices.Equal(lines, shown) {
			screen.block(lines)
			shown = lines
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
