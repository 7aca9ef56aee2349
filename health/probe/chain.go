package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"gslb/internal/files"
)

// callVars and callKeys are settings of the environment and of profiles that say how services are called.
// Probes take none of them, but the SDK refuses to load anything if it does not understand one: a retry mode
// of "legacy", for one, the default of other SDKs (AWS SDKs and Tools Reference Guide, "Retry behavior").
// Settings that also matter for how credentials are got, as FIPS end points do, are not among them.
var (
	callVars = []string{
		"AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_DEFAULTS_MODE", "AWS_ENABLE_ENDPOINT_DISCOVERY", "AWS_ACCOUNT_ID_ENDPOINT_MODE",
		"AWS_DISABLE_REQUEST_COMPRESSION", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "AWS_DISABLE_CLOCK_SKEW_CORRECTION",
		"AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION", "AWS_S3_USE_ARN_REGION",
		"AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS", "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
	}
	callKeys = regexp.MustCompile(`(?mi)^[ \t]*(retry_mode|max_attempts|defaults_mode|account_id_endpoint_mode|disable_request_compression|` +
		`request_min_compression_size_bytes|disable_clock_skew_correction|request_checksum_calculation|response_checksum_validation)[ \t]*=.*$`)
)

// sourceVars are the variables that say where credentials and roots are.
var sourceVars = []string{
	"AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
}

// maxProfiles bounds the size of a file with profiles that is looked at.
const maxProfiles = 4 << 20

// profiles is a file with profiles.
type profiles struct {
	path string
	data []byte
	err  error // of reading
	use  func([]string) config.LoadOptionsFunc
}

// defaultChain finds credentials where the SDK looks for them.
func defaultChain(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		// The SDK would write its own lines to standard error. The probe's result has what matters.
		config.WithLogger(logging.Nop{}),
		// The mode "auto" would ask the instance metadata for its region, to set up a client that
		// is not used.
		config.WithDefaultsMode(aws.DefaultsModeLegacy),
	}
	read, err := readProfiles()
	if err != nil {
		return aws.Config{}, err
	}
	for _, p := range read {
		if p.err != nil { // it might be a pipe or a device, which the SDK would read without end
			options = append(options, p.use([]string{os.DevNull}))
		}
	}
	if bundle := os.Getenv("AWS_CA_BUNDLE"); bundle != "" {
		if _, err := files.Read(bundle, maxRoots); err != nil {
			return aws.Config{}, fmt.Errorf("AWS_CA_BUNDLE: %w", err)
		}
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		loaded, err = withoutCalls(ctx, options, read)
	}
	if err != nil {
		return aws.Config{}, fmt.Errorf("%s%w", blamed(err), err)
	}
	loaded.Credentials = explained{withinBounds(loaded), unreadable(read)}
	return loaded, nil
}

// readProfiles reads the files that the SDK will read. It treats one that it cannot open as empty, and looks for
// credentials elsewhere: without a free descriptor, that must not happen.
func readProfiles() ([]profiles, error) {
	read := []profiles{
		{path: os.Getenv("AWS_CONFIG_FILE"), use: config.WithSharedConfigFiles},
		{path: os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), use: config.WithSharedCredentialsFiles},
	}
	for i, usual := range []string{config.DefaultSharedConfigFilename(), config.DefaultSharedCredentialsFilename()} {
		p := &read[i]
		isNamed := p.path != ""
		if !isNamed {
			p.path = usual
		}
		p.data, p.err = files.Read(p.path, maxProfiles)
		switch {
		case errors.Is(p.err, syscall.EMFILE), errors.Is(p.err, syscall.ENFILE):
			return nil, p.err
		case errors.Is(p.err, fs.ErrNotExist) && !isNamed, p.path == os.DevNull:
			p.err = nil // there need be none
		}
	}
	return read, nil
}

// withoutCalls loads the configuration without the settings of calls that the SDK does not understand. A file
// has a copy for that, without any of them.
func withoutCalls(ctx context.Context, options []func(*config.LoadOptions) error, read []profiles) (aws.Config, error) {
	forgetInvalid()
	for _, p := range read {
		if !callKeys.Match(p.data) {
			continue
		}
		copied, release, err := inMemory(callKeys.ReplaceAll(p.data, nil))
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err != nil {
			return aws.Config{}, fmt.Errorf("copy %s: %w", p.path, err)
		}
		defer release()
		options = append(options, p.use([]string{copied}))
	}
	return config.LoadDefaultConfig(ctx, options...)
}

// forgetInvalid removes from the environment what the SDK does not understand of calls. There is no other way
// to tell it. Nothing else in this process reads these variables.
func forgetInvalid() {
	for forgot := true; forgot; {
		_, err := config.NewEnvConfig() // the first that is invalid
		forgot = err != nil && slices.ContainsFunc(callVars, func(name string) bool {
			value, isSet := os.LookupEnv(name)
			if !isSet || os.Unsetenv(name) != nil {
				return false
			}
			if _, without := config.NewEnvConfig(); without == nil || without.Error() != err.Error() {
				return true
			}
			_ = os.Setenv(name, value) // it is not this one; what was set can be set again
			return false
		})
	}
}

// blamed says, before an error of the SDK that names no variable, which ones may be its reason: those whose value
// it has, or else all that are set.
func blamed(err error) string {
	var set, quoted []string
	for _, name := range sourceVars {
		value := os.Getenv(name)
		switch {
		case value == "":
			continue
		case strings.Contains(err.Error(), value):
			quoted = append(quoted, name)
		}
		set = append(set, name)
	}
	if len(quoted) > 0 {
		set = quoted
	}
	if len(set) == 0 || strings.Contains(err.Error(), "AWS_") {
		return ""
	}
	return "see " + strings.Join(set, ", ") + ": "
}

// unreadable says which files with profiles could not be read.
func unreadable(read []profiles) error {
	var errs []error
	for _, p := range read {
		if p.err != nil {
			errs = append(errs, p.err)
		}
	}
	return errors.Join(errs...)
}

// explained is a source of credentials that says, when it has none, which files could not be read. The SDK treats
// them as empty.
type explained struct {
	aws.CredentialsProvider
	unread error
}

// Retrieve implements aws.CredentialsProvider.
func (e explained) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := e.CredentialsProvider.Retrieve(ctx)
	switch {
	case err != nil && e.unread != nil:
		return credentials, fmt.Errorf("%w; %w", e.unread, err)
	case err != nil:
		return credentials, err
	}
	return credentials, verifyPlain(credentials)
}

// verifyPlain reports credentials that no request can carry: a file of a container's secret that ends in a line
// break gives such.
func verifyPlain(c aws.Credentials) error {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	for _, part := range []struct{ name, value string }{
		{"access key", c.AccessKeyID}, {"secret access key", c.SecretAccessKey}, {"session token", c.SessionToken},
	} {
		if i := strings.IndexFunc(part.value, odd); i >= 0 {
			return fmt.Errorf("the %s has %q at byte %d of %d: take it away where the credentials are kept (%s)",
				part.name, part.value[i:i+1], i+1, len(part.value), c.Source)
		}
	}
	return nil
}

// sharedOf is the profile that a configuration was loaded from; nil: there is none.
func sharedOf(loaded aws.Config) *config.SharedConfig {
	i := slices.IndexFunc(loaded.ConfigSources, func(s any) bool { _, ok := s.(config.SharedConfig); return ok })
	if i < 0 {
		return nil
	}
	shared := loaded.ConfigSources[i].(config.SharedConfig)
	return &shared
}
