package parts

import (
	"context"
	"net/http"
	"net/netip"
	"path/filepath"
)

// Alertmanager takes alerts, and sends them on.
type Alertmanager struct {
	*Part
	Listen netip.AddrPort
}

// AlertmanagerConfig says how to run an Alertmanager.
type AlertmanagerConfig struct {
	Name    string // of the part
	Listen  netip.AddrPort
	Webhook string // URL that is posted every alert, each by itself, as soon as it changes
}

// StartAlertmanager starts an Alertmanager and returns once it takes alerts.
func (l *Lab) StartAlertmanager(ctx context.Context, config AlertmanagerConfig) (*Alertmanager, error) {
	path, err := find("prometheus-alertmanager")
	if err != nil {
		return nil, err
	}
	dir, err := l.folder(config.Name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "alertmanager.yml")
	if err := render(file, "alertmanager.yml", config); err != nil {
		return nil, err
	}
	a := &Alertmanager{Listen: config.Listen}
	a.Part, err = l.start(ctx, program{
		name: config.Name,
		path: path,
		args: []string{
			"--config.file=" + file,
			"--storage.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=" + config.Listen.String(),
			"--cluster.listen-address=",
		},
		ready: func(ctx context.Context) error {
			return getsStatus(ctx, "http://"+config.Listen.String()+"/-/ready", http.StatusOK)
		},
	})
	return a, err
}
