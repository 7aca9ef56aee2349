package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"gslb/internal/files"
)

// retryModeVar and retryMode are where the retry mode may be set to "legacy": a variable of the
// environment, and a line of a profile. It is a valid value (AWS SDKs and Tools Reference Guide,
// "Retry behavior"), and the default of some other SDKs, but the SDK for Go then refuses to load
// anything. Probes are never retried, so the setting is removed before the SDK looks.
const retryModeVar = "AWS_RETRY_MODE"

var retryMode = regexp.MustCompile(`(?mi)^[ \t]*retry_mode[ \t]*=[ \t]*legacy[ \t]*([#;].*)?\r?$`)

// maxProfiles bounds the size of a file with profiles that is looked at for that.
const maxProfiles = 4 << 20

// defaultChain finds credentials where the SDK looks for them.
func defaultChain(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		// The SDK would write its own lines to standard error. The probe's result has what matters.
		config.WithLogger(logging.Nop{}),
		// The mode "auto" would ask the instance metadata for its region, to set up a client that
		// is not used.
		config.WithDefaultsMode(aws.DefaultsModeLegacy),
	}
	for _, file := range []struct {
		variable, usual string
		use             func([]string) config.LoadOptionsFunc
	}{
		{"AWS_CONFIG_FILE", config.DefaultSharedConfigFilename(), config.WithSharedConfigFiles},
		{"AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename(), config.WithSharedCredentialsFiles},
	} {
		path := os.Getenv(file.variable)
		if path == "" {
			path = file.usual
		}
		copied, release, err := withoutLegacyMode(path)
		if err != nil {
			return aws.Config{}, err
		}
		defer release()
		if copied != "" {
			options = append(options, file.use([]string{copied}))
		}
	}
	if strings.EqualFold(os.Getenv(retryModeVar), "legacy") {
		// There is no other way to tell the SDK. Nothing else in this process reads the variable.
		if err := os.Unsetenv(retryModeVar); err != nil {
			return aws.Config{}, err
		}
	}
	return config.LoadDefaultConfig(ctx, options...)
}

// withoutLegacyMode returns the path of a copy without that setting if a file with profiles has the
// retry mode "legacy", or "" if the file can be read as it is. The copy lasts until release is
// called.
func withoutLegacyMode(path string) (copied string, release func(), err error) {
	data, err := files.Read(path, maxProfiles)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		// The SDK would treat it as empty, and look for credentials elsewhere.
		return "", nil, err
	case err != nil, !retryMode.Match(data): // mostly, that there is no such file, or /dev/null
		return "", func() {}, nil
	}
	copied, release, err = inMemory(retryMode.ReplaceAll(data, nil))
	if errors.Is(err, errors.ErrUnsupported) {
		return "", func() {}, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("copy %s: %w", path, err)
	}
	return copied, release, nil
}
