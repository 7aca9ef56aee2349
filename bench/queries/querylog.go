package queries

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gslb/integration/parts"
)

// queryLog measures what logging queries by dnstap costs: this server without a log, with one of a sample,
// and with one of every query. The collector is fstrm_capture, on the processor of the load.
func queryLog(ctx context.Context, b *bench) (err error) {
	all := b.among(ours, older)
	if len(all) == 0 || all[0].name != ours {
		return nil // it takes no part
	}
	lab, err := parts.NewLab(filepath.Join(b.dir, "collector"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	lab.Bind(loadProcessor)
	socket := filepath.Join(b.dir, "collector", "socket")
	if _, err := lab.StartProgram(ctx, parts.Program{
		Name: "collector", Path: "fstrm_capture",
		Args:  []string{"-t", "protobuf:dnstap.Dnstap", "-u", socket, "-w", os.DevNull},
		Ready: func(context.Context) error { _, err := os.Stat(socket); return err },
	}); err != nil {
		return err
	}
	for _, share := range b.size.logged {
		all = append(all, contender{
			name:  fmt.Sprintf("gslb, %v %% logged", 100*share),
			start: b.logging(fmt.Sprintf("{ socket = %q, sample = %v }", socket, share)),
		})
	}
	_, err = b.udp(ctx, "querylog", steeredMix, b.size.questions, all)
	return err
}

// logging starts this server with a query log.
func (b *bench) logging(dnstap string) func(context.Context, setup) (*parts.Part, error) {
	return func(ctx context.Context, s setup) (*parts.Part, error) {
		name := fmt.Sprintf("gslb-%d", s.listen.Port())
		s.queryLog = dnstap
		file := filepath.Join(s.dir, name+".toml")
		if err := s.render(file, gslbFile); err != nil {
			return nil, err
		}
		return startGSLB(ctx, s, name, b.gslb, file)
	}
}
