package main

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
)

// healthWait is shorter than what container engines are told to wait: podman counts a health check that goes on longer
// as none, and would call a server healthy that does not respond.
const healthWait = 3 * time.Second

func healthcheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "say by the exit status whether a server answers queries, for a container's health check",
		Long: `healthcheck asks a running server whether it is ready, and exits with status 0 if it is and 1 if it
is not. It says nothing about the regions: a server that answers with another region, as it should,
is healthy. "gslb status --exit-code" tells how the regions are.`,
		Example: `  gslb healthcheck
  gslb healthcheck --server http://127.0.0.1:8053`,
		Args: cobra.NoArgs,
	}
	c := addConnection(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		var status api.Status
		if _, err := server.do(cmd.Context(), call{method: http.MethodGet, path: "status", into: &status}, healthWait); err != nil {
			return err
		}
		if !status.Ready {
			return errors.New("not ready: " + visible(strings.Join(status.Waiting, ", ")))
		}
		return nil
	}
	return cmd
}
