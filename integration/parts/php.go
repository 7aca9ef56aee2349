package parts

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// PHPApp is one app server: integration/app under PHP's built-in web server, with several
// workers, so that one request that hangs does not hold up the health check.
type PHPApp struct {
	*Part
	Listen netip.AddrPort

	failFile string
}

// PHPAppConfig says how to run an app server.
type PHPAppConfig struct {
	Name     string // of the part
	Listen   netip.AddrPort
	Region   string            // of AWS, and what the app calls its own
	Endpoint string            // of DynamoDB, a base URL
	Table    string            // that the app reads
	Key      map[string]string // of the item that it reads: one string attribute
}

// StartPHPApp starts an app server and returns once it answers, whatever its health.
func (l *Lab) StartPHPApp(ctx context.Context, config PHPAppConfig) (*PHPApp, error) {
	php, err := find("php")
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	dir, err := l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	app := &PHPApp{Listen: config.Listen, failFile: filepath.Join(dir, "fail")}
	env := append(Credentials(),
		"PHP_CLI_SERVER_WORKERS=4",
		"AWS_REGION="+config.Region,
		"DYNAMODB_ENDPOINT="+config.Endpoint,
		"DYNAMODB_TABLE="+config.Table,
		"APP_FAIL_FILE="+app.failFile,
	)
	for name, value := range config.Key {
		env = append(env, "DYNAMODB_KEY="+name+"="+value)
	}
	app.Part, err = l.start(ctx, program{
		name: config.Name,
		path: php,
		args: []string{"-q", "-S", config.Listen.String(), filepath.Join(root, "integration", "app", "index.php")},
		env:  env,
		ready: func(ctx context.Context) error {
			return getsStatus(ctx, "http://"+config.Listen.String()+"/ping", http.StatusOK)
		},
	})
	return app, err
}

// Fail makes the app's health check answer 503, with reason as its reason, until Recover.
func (a *PHPApp) Fail(reason string) error {
	return os.WriteFile(a.failFile, []byte(strings.TrimSpace(reason)), 0o644)
}

// Recover undoes Fail. A healthy app stays as it is.
func (a *PHPApp) Recover() error { return os.RemoveAll(a.failFile) }
