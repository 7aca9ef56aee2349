package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"gslb/internal/command"
)

const (
	// processTime is how long a credential_process may take, as in the SDK.
	processTime = time.Minute
	// maxCredentials is how much of its output is read: a session token may have some kilobytes.
	maxCredentials = 64 << 10
)

// process is a profile's credential_process (AWS SDKs and Tools Reference Guide, "Process credential provider"). The
// SDK's own keeps all that the program writes, lets it write to this server's log, and waits without end for what
// the program has started: one that hangs would leave processes behind with each try.
type process struct {
	line   string // for the shell
	runner *command.Runner
}

// Retrieve implements aws.CredentialsProvider.
func (p *process) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, processTime)
	defer cancel()
	none := aws.Credentials{Source: processcreds.ProviderName}
	end, err := p.runner.Run(ctx, command.Command{Args: []string{"/bin/sh", "-c", p.line}, Env: os.Environ(), Kept: maxCredentials})
	switch said := bytes.TrimSpace(end.Stderr); {
	case errors.Is(err, context.DeadlineExceeded):
		return none, fmt.Errorf("credential_process has not ended within %v, and was killed", processTime)
	case err != nil:
		return none, fmt.Errorf("credential_process: %w", err)
	case end.Code != 0 && len(said) > 0:
		return none, fmt.Errorf("credential_process ended with status %d: %s", end.Code, said[:min(len(said), shownBody)])
	case end.Code != 0:
		return none, fmt.Errorf("credential_process ended with status %d", end.Code)
	}
	var said processcreds.CredentialProcessResponse
	if err := json.Unmarshal(end.Stdout, &said); err != nil { // the text of which may be a secret
		return none, fmt.Errorf("credential_process did not write the JSON of credentials: it wrote %d bytes", len(end.Stdout))
	}
	if said.Version != 1 || said.AccessKeyID == "" || said.SecretAccessKey == "" {
		return none, errors.New("credential_process wrote no credentials: want Version 1, AccessKeyId and SecretAccessKey")
	}
	credentials := aws.Credentials{
		AccessKeyID: said.AccessKeyID, SecretAccessKey: said.SecretAccessKey, SessionToken: said.SessionToken, AccountID: said.AccountID,
		Source: processcreds.ProviderName,
	}
	if said.Expiration != nil {
		credentials.CanExpire, credentials.Expires = true, *said.Expiration
	}
	return credentials, nil
}

// withinBounds is the source of credentials of a configuration. Where it is a profile's credential_process, also
// one whose credentials then assume a role, the program is run by process.
func withinBounds(loaded aws.Config) aws.CredentialsProvider {
	usual := loaded.Credentials
	if !aws.IsCredentialsProvider(usual, (*processcreds.Provider)(nil)) && !aws.IsCredentialsProvider(usual, (*stscreds.AssumeRoleProvider)(nil)) {
		return usual
	}
	var chain []*config.SharedConfig // the profile, the one that it takes its credentials from, and so on
	for shared := sharedOf(loaded); shared != nil; shared = shared.Source {
		chain = append(chain, shared)
	}
	if len(chain) == 0 || !runsProcess(chain[len(chain)-1]) {
		return usual
	}
	var source aws.CredentialsProvider = &process{chain[len(chain)-1].CredentialProcess, new(command.Runner)}
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].RoleARN != "" {
			loaded.Credentials = source
			source = assumed(loaded, chain[i])
		}
	}
	return aws.NewCredentialsCache(source)
}

// runsProcess reports whether the SDK takes a profile's credentials from its program: anything else that the profile
// has comes first.
func runsProcess(p *config.SharedConfig) bool {
	return p.CredentialProcess != "" && !p.Credentials.HasKeys() && p.CredentialSource == "" && p.WebIdentityTokenFile == "" &&
		p.SSOSessionName == "" && p.SSOAccountID == "" && p.SSOStartURL == "" && p.SSORegion == "" && p.SSORoleName == ""
}

// assumed is the role of a profile, as the SDK assumes it.
func assumed(by aws.Config, profile *config.SharedConfig) aws.CredentialsProvider {
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(by), profile.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = profile.RoleSessionName
		if profile.ExternalID != "" {
			o.ExternalID = aws.String(profile.ExternalID)
		}
		if d := profile.RoleDurationSeconds; d != nil && *d > stscreds.DefaultDuration {
			o.Duration = *d
		}
	})
}
