//go:build integration

package replicating

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/miekg/dns"

	"gslb/integration/parts"
)

// names is a name server that has the names of AWS's endpoints. One may be empty: it exists, without an address.
type names struct {
	mu    sync.Mutex
	known map[string]netip.Addr // by name, with the final dot
	empty string
}

// serve answers at port 53 of an address until the test is over.
func (n *names) serve(t *testing.T, at string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", net.JoinHostPort(at, "53"))
	must(t, err)
	server := &dns.Server{PacketConn: packets, Handler: n}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = packets.Close()
		<-done
	})
}

func (n *names) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	q := query.Question[0]
	name := strings.ToLower(q.Name)
	addr, known := n.known[name]
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
	switch {
	case name == "." && q.Qtype == dns.TypeNS:
		reply.Answer = append(reply.Answer, &dns.NS{Hdr: header, Ns: "a.root-servers.net."})
	case !known:
		reply.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeA && name != n.empty:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: addr.AsSlice()})
	}
	_ = w.WriteMsg(reply)
}

// clear empties a name, and fills that which was empty before; "": none is.
func (n *names) clear(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.empty = name
}

// resolving makes a program that runs gslb on a host whose name server is at an address.
func resolving(t *testing.T, at string) string {
	t.Helper()
	dir := t.TempDir()
	host, program := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "gslb")
	must(t, os.WriteFile(host, []byte("nameserver "+at+"\n"), 0o644))
	script := fmt.Sprintf(`#!/bin/sh
exec unshare --mount -- sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' '%s' '%s' "$@"
`, host, parts.Binary(t))
	must(t, os.WriteFile(program, []byte(script), 0o755))
	return program
}

// certify makes a certificate for names, and a file of it for those who are to trust it.
func certify(t *testing.T, names ...string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	path := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), 0o644))
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, path
}

var namesConfiguration = template.Must(template.New("zones.toml").Parse(`
[server]
listen = ["{{.Listen}}"]
id     = "ns1"

[admin]
listen = "{{.Admin}}"

[replication.orders]
table    = "{{.Table}}"
key      = { id = "gslb" }
regions  = [{{range .Sites}}"{{.Region}}", {{end}}]
interval = "1s"
timeout  = "900ms"
max_lag  = "{{.Settings.MaxLag}}"

[zones."gslb.example.com"]
nameservers = { ns1 = ["127.0.0.53"] }
{{range $mode := .Modes}}
[checks.{{$mode}}]
type          = "dynamodb"
table         = "{{$.Table}}"
region        = "{region}"
key           = { id = "123" }
endpoint_mode = "{{$mode}}"
{{if ne $mode "regional"}}account_id    = "111122223333"{{end}}
interval      = "1s"
fast_interval = "200ms"
timeout       = "800ms"
fall          = 3
rise          = 2
{{range $.Sites}}
[pools.{{$mode}}_{{.Pool}}]
region      = "{{.Region}}"
members     = ["{{.Balancer.At.Addr}}"]
checks      = ["{{$mode}}"]
replication = "orders"
{{end}}
[zones."gslb.example.com".names.{{$mode}}]
pools = [{{range $.Sites}}"{{$mode}}_{{.Pool}}", {{end}}]
{{end}}
`))

// TestNames has one of the names of a region lose its addresses, as in us-east-1 in October 2025: the checks that
// use it fail, and no others. The server asks for AWS's own names, which a name server of the test has.
func TestNames(t *testing.T) {
	ctx, w := beginUnserved(t, settings{Pools: []string{"nyc", "ams"}})
	const at = "127.0.0.53"
	server := &names{known: make(map[string]netip.Addr)}
	var all []string
	fronts := map[string]string{"nyc": "127.0.0.21", "ams": "127.0.0.22"}
	regional := func(region string) string { return "dynamodb." + region + ".amazonaws.com" }
	account := func(region string) string { return "111122223333.ddb." + region + ".amazonaws.com" }
	for _, s := range w.Sites {
		for _, name := range []string{regional(s.Region), account(s.Region)} {
			server.known[name+"."] = netip.MustParseAddr(fronts[s.Pool])
			all = append(all, name)
		}
	}
	server.serve(t, at)
	certificate, roots := certify(t, all...)
	for _, s := range w.Sites {
		front := httptest.NewUnstartedServer(s.Gate.Config.Handler)
		must(t, front.Listener.Close())
		var err error
		front.Listener, err = net.Listen("tcp", net.JoinHostPort(fronts[s.Pool], "443"))
		must(t, err)
		front.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		front.StartTLS()
		t.Cleanup(front.Close)
	}
	w.Modes = []string{"regional", "account", "both"}
	w.serve(t, ctx, namesConfiguration, parts.GSLBConfig{Binary: resolving(t, at), Env: append(parts.Credentials(), "AWS_CA_BUNDLE="+roots)})

	for _, step := range []struct {
		name    string
		empty   string
		target  string    // that fails
		want    [3]string // the pools of the modes
		regions map[string]string
		ways    []string
	}{
		{"all is well", "", "", [3]string{"nyc", "nyc", "nyc"}, nil, nil},
		{"the account's name is empty", account("us-east-1"), "account@us-east-1", [3]string{"nyc", "ams", "ams"}, nil, nil},
		{"well again", "", "", [3]string{"nyc", "nyc", "nyc"}, nil, nil},
		{"the region's name is empty", regional("us-east-1"), "regional@us-east-1", [3]string{"ams", "nyc", "ams"},
			map[string]string{"nyc": "unread, degraded, write and read fail"}, []string{"ams → nyc unmeasured"}},
		{"well in the end", "", "", [3]string{"nyc", "nyc", "nyc"}, nil, nil},
	} {
		server.clear(step.empty + ".")
		must(t, parts.Until(ctx, "clients are where they must be: "+step.name, func(ctx context.Context) error {
			for i, mode := range w.Modes {
				pool, _, err := w.askFor(ctx, mode+".gslb.example.com")
				if err == nil && pool != step.want[i] {
					err = fmt.Errorf("%s is answered with %s, want %s", mode, pool, step.want[i])
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
		if step.target != "" {
			w.awaitReason(t, ctx, step.target, "name")
		}
		w.awaitCopies(t, ctx, step.name, step.regions, step.ways...)
	}
}
