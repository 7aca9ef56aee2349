package main

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
)

func pushCommand() *cobra.Command {
	var failed bool
	var reason, load string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "push CHECK [SUBJECT]",
		Short: "say that what a push check watches works, or fails",
		Long: `push says that what a check of type "push" watches works. The check passes until its interval is
over, so that a job calls this more often. With --fail it fails at once. SUBJECT is that of the
check, if it has one: a region, a pool or an address.

Over TCP it needs the check's own token, that of token_file or token_sha256. Any program that
speaks HTTP can do the same: POST /api/v1/push/CHECK/SUBJECT.`,
		Example: `  gslb push nightly
  gslb push replica us-east-1 --server https://ns1.example.com:8053 --token-file replica.token
  gslb push replica us-east-1 --fail --reason "behind by 40 s"
  curl -X POST -H "Authorization: Bearer $TOKEN" https://ns1.example.com:8053/api/v1/push/replica/us-east-1`,
		Args: cobra.RangeArgs(1, 2),
	}
	c := addConnection(cmd)
	cmd.Flags().BoolVar(&failed, "fail", false, "say that it fails")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in one line of at most 200 characters")
	cmd.Flags().StringVar(&load, "load", "", `its load or weight, for a check with weight_from = "push": a number, or a share such as 75%`)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the server's JSON document")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		server, err := c.connect()
		if err != nil {
			return err
		}
		path := "push"
		for _, arg := range args {
			path += "/" + url.PathEscape(arg)
		}
		said := api.PushRequest{Reason: reason}
		if failed {
			said.Status = "fail"
		}
		if load != "" {
			said.Load = load
			if number, err := strconv.ParseFloat(load, 64); err == nil {
				said.Load = number
			}
		}
		var result api.PushResult
		document, err := server.do(cmd.Context(), call{method: http.MethodPost, path: path, body: said, into: &result}, callWait)
		if err != nil {
			return err
		}
		if asJSON {
			_, err := cmd.OutOrStdout().Write(document)
			return err
		}
		word := map[bool]string{false: "passes", true: "fails"}[failed]
		newScreen(cmd.OutOrStdout()).put(noPaint, 2, "%s %s; the next call must come within %s", visible(result.Target), word, result.Until.Sub(result.At).Round(time.Millisecond))
		return nil
	}
	return cmd
}
