package checks

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"gslb/integration/figures"
	"gslb/integration/parts"
)

// RespondCommand is the command of a program that calls Respond: all targets of Scale, in a process of their own so
// that their processor time is nobody else's.
const RespondCommand = "respond"

// maxTargets is how many addresses firstTarget can be followed by.
const maxTargets = 65000

// targetAddr is the address of a target: 127.1.0.1 and those that follow it. Linux answers
// on all of 127.0.0.0/8.
func targetAddr(index int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte((index + 1) >> 8), byte(index + 1)})
}

// targetIndex is the opposite of targetAddr.
func targetIndex(addr netip.Addr) int {
	b := addr.Unmap().As4()
	return int(b[2])<<8 + int(b[3]) - 1
}

// reply is what a healthy target says before it closes.
const reply = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"

// responder answers every HTTP request on every address, but for those that hang: there,
// a connection is accepted and nothing comes.
type responder struct {
	accepted atomic.Int64 // connections
	hung     atomic.Int64 // so many of the first targets hang
}

// Respond serves until ctx ends.
func Respond(ctx context.Context, args []string) error {
	var listen, control string
	if err := figures.Parse(RespondCommand, args, func(flags *flag.FlagSet) {
		flags.StringVar(&listen, "listen", "", "address of the targets")
		flags.StringVar(&control, "control", "", "address of the control server")
	}); err != nil {
		return err
	}
	targets, err := net.Listen("tcp4", listen)
	if err != nil {
		return err
	}
	controlled, err := net.Listen("tcp4", control)
	if err != nil {
		return errors.Join(err, targets.Close())
	}
	var r responder
	server := &http.Server{Handler: r.control(), ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() {
		_ = targets.Close()
		_ = server.Close()
	})
	go r.accept(targets)
	if err := server.Serve(controlled); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (r *responder) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // out of files, mostly: some will be closed
			continue
		}
		r.accepted.Add(1)
		go r.serve(conn)
	}
}

func (r *responder) serve(conn net.Conn) {
	defer conn.Close()
	at := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr()
	hangs := int64(targetIndex(at)) < r.hung.Load()
	var buffer [1024]byte
	for n := 0; n < len(buffer); {
		more, err := conn.Read(buffer[n:])
		if err != nil {
			return
		}
		if n += more; hangs {
			n = 0 // until the client has had enough
			continue
		}
		if bytes.Contains(buffer[:n], []byte("\r\n\r\n")) {
			_, _ = conn.Write([]byte(reply)) // an error means that the client has gone
			return
		}
	}
}

// control serves GET /accepted, the number of connections so far, and POST /hang?first=N.
func (r *responder) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accepted", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, r.accepted.Load())
	})
	mux.HandleFunc("POST /hang", func(w http.ResponseWriter, q *http.Request) {
		first, err := strconv.ParseInt(q.FormValue("first"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.hung.Store(first)
	})
	return mux
}

// targets is the responder as scale sees it.
type targets struct {
	count   int
	port    uint16
	control string // base URL
}

func (b *bench) startTargets(ctx context.Context, count int) (*targets, error) {
	everywhere, err := b.lab.FreePort(netip.IPv4Unspecified())
	if err != nil {
		return nil, err
	}
	control, err := b.lab.FreePort(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		return nil, err
	}
	return startRespond(ctx, b.lab, count, everywhere, control)
}

// startRespond starts a responder in a lab, where it listens at two addresses.
func startRespond(ctx context.Context, lab *parts.Lab, count int, listen, control netip.AddrPort) (*targets, error) {
	self, err := filepath.EvalSymlinks("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	t := &targets{count: count, port: listen.Port(), control: "http://" + control.String()}
	_, err = lab.StartProgram(ctx, parts.Program{
		Name: "responder", Path: self,
		Args: []string{RespondCommand, "-listen", listen.String(), "-control", control.String()},
		Ready: func(ctx context.Context) error {
			_, err := t.accepted(ctx)
			return err
		},
	})
	return t, err
}

// accepted is how many connections the targets have accepted so far: of each program here,
// that is its number of checks.
func (t *targets) accepted(ctx context.Context) (int64, error) {
	_, body, err := parts.Get(ctx, t.control+"/accepted")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(body), 10, 64)
}

// hang has the first so many targets hang, and no others.
func (t *targets) hang(ctx context.Context, first int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/hang?first=%d", t.control, first), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("hang the first %d targets: %s", first, response.Status)
	}
	return nil
}
