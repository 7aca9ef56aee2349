package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gslb/admin/api"
	"gslb/zones"
)

// completeWait bounds how long a shell waits for what may be meant: a person is typing.
const completeWait = 300 * time.Millisecond

// mostCompletions is how many words are offered.
const mostCompletions = 100

// complete asks the server for what may be meant. Where it does not answer in time nothing is offered.
func complete[T any](c *connection, cmd *cobra.Command, path string, query url.Values, words func(*T) []string) ([]string, cobra.ShellCompDirective) {
	none := cobra.ShellCompDirectiveNoFileComp
	server, err := c.connect()
	if err != nil {
		return nil, none
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	value := new(T)
	if _, err := server.do(ctx, call{method: "GET", path: path, query: query, into: value}, completeWait); err != nil {
		return nil, none
	}
	return words(value), none
}

// completePools offers POOL and, behind a slash, its members.
func (c *connection) completePools(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	pool, _, member := strings.Cut(prefix, "/")
	if member {
		return complete(c, cmd, "pools/"+url.PathEscape(pool), nil, func(p *api.Pool) []string {
			var words []string
			for _, m := range p.Members {
				words = append(words, pool+"/"+m.Address.String())
			}
			return startingWith(prefix, words)
		})
	}
	return c.completePool(cmd, prefix)
}

func (c *connection) completePool(cmd *cobra.Command, prefix string) ([]string, cobra.ShellCompDirective) {
	query := url.Values{"limit": {"1000"}}
	if prefix != "" {
		query.Set("q", prefix)
	}
	return complete(c, cmd, "pools", query, func(list *api.PoolList) []string {
		var words []string
		for _, p := range list.Pools {
			words = append(words, p.Name)
		}
		return startingWith(prefix, words)
	})
}

func (c *connection) completeNames(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	query := url.Values{"limit": {"1000"}}
	if prefix != "" {
		query.Set("q", prefix)
	}
	return complete(c, cmd, "names", query, func(list *api.NameList) []string {
		var words []string
		for _, n := range list.Names {
			words = append(words, zones.Plain(n.Name))
		}
		return startingWith(prefix, words)
	})
}

// completeNameAndPool offers names and then the pools that one may answer.
func (c *connection) completeNameAndPool(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return c.completeNames(cmd, nil, prefix)
	case 1:
		return c.completePoolsOf(cmd, args[0], prefix)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completePoolsOf offers the pools that a name may answer.
func (c *connection) completePoolsOf(cmd *cobra.Command, name, prefix string) ([]string, cobra.ShellCompDirective) {
	return complete(c, cmd, "names/"+url.PathEscape(name), nil, func(n *api.Name) []string {
		var words []string
		for _, v := range n.Views {
			for _, r := range v.Reasons {
				words = append(words, r.Pool)
			}
		}
		return startingWith(prefix, words)
	})
}

// completeOverrides offers what a command can end.
func (c *connection) completeOverrides(kind string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(c, cmd, "overrides", nil, func(list *api.OverrideList) []string {
			var words []string
			for _, o := range list.Overrides {
				if string(o.Kind) == kind {
					words = append(words, zones.Plain(strings.TrimPrefix(o.ID, kind+"/")))
				}
			}
			return startingWith(prefix, words)
		})
	}
}

// startingWith is the words that begin so, each once.
func startingWith(prefix string, words []string) []string {
	var list []string
	seen := make(map[string]bool)
	for _, word := range words {
		if strings.HasPrefix(word, prefix) && !seen[word] && len(list) < mostCompletions {
			seen[word] = true
			list = append(list, word)
		}
	}
	return list
}
