package parts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ZoneChecker is a program that says by its exit status, without serving anything, whether
// an authoritative server would load a master file. It is safe for concurrent use.
type ZoneChecker struct {
	Name    string                           // of the server: "nsd"
	Program string                           // path, or the name of one that is installed
	Args    func(zone, file string) []string // zone is its name without the final dot
}

// ZoneCheckers returns those of NSD, Knot and BIND.
func ZoneCheckers() []ZoneChecker {
	return []ZoneChecker{{
		Name:    "nsd",
		Program: "nsd-checkzone",
		Args:    func(zone, file string) []string { return []string{zone, file} },
	}, {
		Name:    "knot",
		Program: "kzonecheck",
		// Whether a signature is still valid must not depend on the day of the test.
		Args: func(zone, file string) []string { return []string{"-t", "20260101000000", "-o", zone, file} },
	}, {
		Name:    "bind",
		Program: "named-checkzone",
		// Addresses of hosts outside the zone it would ask a resolver for.
		Args: func(zone, file string) []string { return []string{"-i", "local", zone, file} },
	}}
}

// ZoneVerdict is what a checker says of a master file.
type ZoneVerdict int

// The verdicts.
const (
	ZoneAccepted   ZoneVerdict = iota // warnings, if any, are no obstacle
	ZoneRefused                       // with a status that is not zero
	CheckerCrashed                    // a signal ended the checker, which says nothing of the file
)

// String is the verdict in a word.
func (v ZoneVerdict) String() string {
	switch v {
	case ZoneAccepted:
		return "accept"
	case ZoneRefused:
		return "refuse"
	case CheckerCrashed:
		return "crash"
	default:
		return fmt.Sprintf("ZoneVerdict(%d)", int(v))
	}
}

// checkWait is how long a checker may take for one file.
const checkWait = 30 * time.Second

// Check has the checker read the file of a zone in the folder dir, and returns its verdict
// and what it printed. Files that this one includes are in the same folder.
func (c ZoneChecker) Check(ctx context.Context, dir, zone, file string) (ZoneVerdict, string, error) {
	path, err := find(c.Program)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, c.Args(zone, file)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return ZoneAccepted, said, nil
	case ctx.Err() != nil:
		return 0, said, fmt.Errorf("%v: it came to no verdict: %w", cmd, ctx.Err())
	case !errors.As(err, &exit):
		return 0, said, fmt.Errorf("%v: %w", cmd, err)
	case exit.ExitCode() < 0:
		return CheckerCrashed, said, nil
	default:
		return ZoneRefused, said, nil
	}
}

// ExpandZone returns a master file as BIND has read it: a record a line, all names and TTLs in
// full, and no directive. File and what it includes are in the folder dir.
func ExpandZone(ctx context.Context, dir, zone, file string) (string, error) {
	path, err := find("named-checkzone")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-q", "-i", "local", "-D", zone, file)
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w", cmd, err)
	}
	return string(text), nil
}

// CompileZone returns a master file as BIND keeps it, in its raw format: every record in wire form,
// names not compressed.
func CompileZone(ctx context.Context, dir, zone, file string) ([]byte, error) {
	path, err := find("named-compilezone")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	raw := file + ".raw"
	cmd := exec.CommandContext(ctx, path, "-i", "none", "-k", "ignore", "-F", "raw", "-o", raw, zone, file)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return os.ReadFile(filepath.Join(dir, raw))
}

// SignZone signs a master file with a key made for it, with NSEC records or, if that is asked for,
// NSEC3, and returns the name of the signed file, which stands in the same folder.
func SignZone(ctx context.Context, dir, zone, file string, nsec3 bool) (string, error) {
	keygen, err := find("dnssec-keygen")
	if err != nil {
		return "", err
	}
	signzone, err := find("dnssec-signzone")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	run := func(program string, args ...string) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", cmd, err, out)
		}
		return nil
	}
	if err := run(keygen, "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", zone); err != nil {
		return "", err
	}
	signed := file + ".signed"
	args := []string{"-S", "-z", "-q", "-o", zone, "-f", signed}
	if nsec3 {
		args = append(args, "-3", "aabbccdd")
	}
	return signed, run(signzone, append(args, file)...)
}
