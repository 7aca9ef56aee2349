package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/spf13/cobra"

	"gslb/zones/config"
)

func tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "token NAME",
		Short: "make a token for the API, and its line for tokens_file",
		Long: `token makes a new token for whoever or whatever changes things over TCP, and prints it with the
line that lets it in. The line holds no secret: it goes into the file that admin.tokens_file names,
which a running server reads again by itself. The token goes to its owner, and is shown only here.
NAME is how changes made with it are signed.`,
		Example: `  gslb token ci
  gslb drain nyc --server https://ns1.example.com:8053 --token-file ci.token --reason "deploy"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := config.VerifyTokenName(args[0]); err != nil {
				return exit{2, err}
			}
			token := "gslb_" + rand.Text() + rand.Text()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "# the token, for its owner; in a file of its own for --token-file\n%s\n\n# the line for tokens_file\n%s %x\n",
				token, args[0], sha256.Sum256([]byte(token)))
			return err
		},
	}
}
