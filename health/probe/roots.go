package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gslb/internal/files"
)

const (
	// maxRoots bounds the size of a file of certificates that is read.
	maxRoots = 16 << 20

	// rootsKept is how often the files are looked at for a change.
	rootsKept = 30 * time.Second

	// rootsAgain is how soon they are read again if some could not be read.
	rootsAgain = time.Second
)

// roots is the certificates that this host trusts. Package x509 reads them only once, at the first
// handshake. If there was no descriptor left at that moment, as can happen with hundreds of first
// probes, they would be missing for ever. It is safe for concurrent use.
type roots struct {
	files, folders []string
	now            atomic.Pointer[trusted]
	reading        chan struct{} // holds one value, of who reads
}

// trusted is what was read, and when.
type trusted struct {
	pool *x509.CertPool
	err  error // why there may be more
	look string
	read time.Time
}

// fresh says whether it is too early to check the files again.
func (t *trusted) fresh(now time.Time) bool {
	if t == nil {
		return false
	}
	age := now.Sub(t.read)
	return age < rootsAgain || t.err == nil && age < rootsKept
}

// newRoots returns the roots of this system: the files where distributions keep them, of
// which the first counts, and folders; or those that the environment names, as it does for
// package x509 and OpenSSL.
func newRoots() *roots {
	r := &roots{
		files: []string{
			"/etc/ssl/certs/ca-certificates.crt",                // Debian, Gentoo, Arch
			"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
			"/etc/ssl/ca-bundle.pem",                            // openSUSE
			"/etc/pki/tls/cacert.pem",                           // OpenELEC
			"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
			"/etc/ssl/cert.pem",                                 // Alpine, the BSDs
			"/usr/local/etc/ssl/cert.pem",                       // FreeBSD's packages
		},
		folders: []string{"/etc/ssl/certs", "/etc/pki/tls/certs"},
		reading: make(chan struct{}, 1),
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		r.files = []string{file}
	}
	if list := os.Getenv("SSL_CERT_DIR"); list != "" {
		r.folders = strings.Split(list, ":")
	}
	return r
}

// get returns what this host trusts, recently read. It waits, until the context ends, only if
// nothing was read yet.
func (r *roots) get(ctx context.Context) *trusted {
	t := r.now.Load()
	if t.fresh(time.Now()) {
		return t
	}
	if t != nil {
		select {
		case r.reading <- struct{}{}:
		default:
			return t
		}
	} else {
		select {
		case r.reading <- struct{}{}:
		case <-ctx.Done():
			return &trusted{pool: x509.NewCertPool(), err: ctx.Err()}
		}
	}
	defer func() { <-r.reading }()
	if t = r.now.Load(); !t.fresh(time.Now()) {
		t = r.load(t)
		r.now.Store(t)
	}
	return t
}

// load reads the files, unless they have not changed.
func (r *roots) load(before *trusted) *trusted {
	look := r.look()
	if before != nil && before.err == nil && before.look == look {
		return &trusted{before.pool, nil, look, time.Now()}
	}
	t := &trusted{pool: x509.NewCertPool(), look: look}
	for _, file := range r.files {
		if t.add(file) {
			break
		}
	}
	for _, folder := range r.folders {
		entries, err := os.ReadDir(folder)
		t.note(err)
		for _, entry := range entries {
			t.add(filepath.Join(folder, entry.Name()))
		}
	}
	t.read = time.Now()
	return t
}

// add adds the certificates of a file and says whether it could be read.
func (t *trusted) add(file string) bool {
	data, err := files.Read(file, maxRoots)
	t.note(err)
	t.pool.AppendCertsFromPEM(data)
	return err == nil
}

// note keeps an error that may go away by itself, such as a shortage of descriptors.
func (t *trusted) note(err error) {
	stays := []error{fs.ErrNotExist, fs.ErrPermission, files.ErrNotRegular, files.ErrTooLarge}
	if err != nil && t.err == nil && !slices.ContainsFunc(stays, func(e error) bool { return errors.Is(err, e) }) {
		t.err = err
	}
}

// look returns a text that changes when the files do.
func (r *roots) look() string {
	var b strings.Builder
	for _, path := range slices.Concat(r.files, r.folders) {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(&b, path, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}

// trust returns a TLS configuration with this host's roots, unless it has others, and these roots,
// or nil.
func (n *network) trust(ctx context.Context, config *tls.Config) (*tls.Config, *trusted) {
	if config.RootCAs != nil || config.InsecureSkipVerify {
		return config, nil
	}
	t := n.roots.get(ctx)
	config = config.Clone()
	config.RootCAs = t.pool
	return config, t
}

// errNoRoots marks a certificate that could not be judged, since this host has no root
// certificates.
var errNoRoots = errors.New("this host has no root certificates to verify by")

// explainRoots adds errNoRoots to the failure of a handshake if that is the reason. In a container
// image without root certificates, every certificate would seem to be invalid.
func explainRoots(t *trusted, err error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case t == nil || !errors.As(err, &unknown):
	case t.err != nil:
		return fmt.Errorf("%w, or not all: %w: %w", errNoRoots, t.err, err)
	case t.pool.Equal(x509.NewCertPool()):
		return fmt.Errorf("%w: install them (ca-certificates): %w", errNoRoots, err)
	}
	return err
}
