package admin

import (
	"bufio"
	"compress/gzip"
	"net/http"
	"strings"
)

// packersMost is how many pages are compressed at the same time. A packer takes about a megabyte. A page that finds
// none left is sent as it is.
const packersMost = 4

// newPackers makes them. What they need they take with their first use.
func newPackers() chan *gzip.Writer {
	packers := make(chan *gzip.Writer, packersMost)
	for range packersMost {
		z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			panic(err) // there is no such level
		}
		packers <- z
	}
	return packers
}

// packed compresses what render writes, for a client that takes that (RFC 9110, section 12.5.3). It says so in the
// header, which render must not have sent before. A page becomes a tenth of its size. It holds no secrets, so that its length tells nothing of any.
func (s *Server) packed(w http.ResponseWriter, r *http.Request, render func(*bufio.Writer) error) func(*bufio.Writer) error {
	if !takesGzip(r) {
		return render
	}
	return func(out *bufio.Writer) error { // nothing is sent yet, not even an error
		var z *gzip.Writer
		select {
		case z = <-s.packers:
		default:
			return render(out)
		}
		defer func() {
			z.Reset(nil) // what it has written to may go
			s.packers <- z
		}()
		w.Header().Set("Content-Encoding", "gzip")
		z.Reset(out)
		pieces := bufio.NewWriterSize(packer{z, out}, pieceSize)
		if err := render(pieces); err != nil {
			return err
		}
		if err := pieces.Flush(); err != nil {
			return err
		}
		return z.Close()
	}
}

// packer sends each piece at once, so that a browser begins with the first while the next is rendered.
type packer struct {
	*gzip.Writer
	out *bufio.Writer
}

func (p packer) Write(piece []byte) (int, error) {
	n, err := p.Writer.Write(piece)
	if err == nil {
		err = p.Writer.Flush()
	}
	if err == nil {
		err = p.out.Flush()
	}
	return n, err
}

// takesGzip reports whether a client names gzip, and not to refuse it.
func takesGzip(r *http.Request) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, weighted := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			value, is := strings.CutPrefix(strings.TrimSpace(weight), "q=")
			return !weighted || is && strings.Trim(value, "0.") != ""
		}
	}
	return false
}
