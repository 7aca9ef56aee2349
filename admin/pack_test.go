package admin

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestPacked: a client that takes gzip gets the same page in less bytes, and everybody else, and who comes while all
// packers are in use, the page as it is.
func TestPacked(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	w.addNames(namesPage, ams, nyc)
	w.publish(now)
	s, _ := w.server()
	request := func(target, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if accept != "" {
			r.Header.Set("Accept-Encoding", accept)
		}
		out := httptest.NewRecorder()
		s.Handler().ServeHTTP(out, r)
		if vary := out.Result().Header.Get("Vary"); vary != "Accept-Encoding" {
			t.Errorf("%q: Vary %q", accept, vary)
		}
		return out
	}
	ask := func(accept string) *httptest.ResponseRecorder {
		out := request("/?part=names", accept)
		if out.Code != http.StatusOK {
			t.Errorf("%q: status %d", accept, out.Code)
		}
		return out
	}
	plain := ask("").Body.String()
	if len(plain) < 2*pieceSize {
		t.Fatalf("the page is too short for several pieces: %d bytes", len(plain))
	}
	for accept, want := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip, deflate, br, zstd": true,
		"gzip;q=0": false, "gzip;q=0.000": false, "br": false, "*": false, "": false,
	} {
		out := ask(accept)
		if got := out.Result().Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: compressed: %t, want %t", accept, got, want)
			continue
		}
		body := io.Reader(out.Body)
		if want {
			if out.Body.Len() > len(plain)/4 {
				t.Errorf("%q: %d bytes of %d", accept, out.Body.Len(), len(plain))
			}
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Errorf("%q: %v", accept, err)
				continue
			}
		}
		if text, err := io.ReadAll(body); err != nil || len(text) != len(plain) || !strings.HasSuffix(string(text), plain[len(plain)-100:]) {
			t.Errorf("%q: %v, %d bytes, want %d", accept, err, len(text), len(plain))
		}
	}
	gone := request("/?name=gone.example", "gzip")
	if gone.Code != http.StatusNotFound || gone.Result().Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("a name that is not there: status %d, %q", gone.Code, gone.Result().Header.Get("Content-Encoding"))
	}
	if body, err := gzip.NewReader(gone.Body); err != nil {
		t.Error(err)
	} else if text, err := io.ReadAll(body); err != nil || !strings.Contains(string(text), "is steered here") {
		t.Errorf("%v: %.200s", err, text)
	}
	if len(s.packers) != packersMost {
		t.Errorf("%d packers came back", len(s.packers))
	}
	for range packersMost {
		<-s.packers
	}
	if out := ask("gzip"); out.Result().Header.Get("Content-Encoding") != "" || out.Body.Len() != len(plain) {
		t.Errorf("without packers: %q, %d bytes", out.Result().Header.Get("Content-Encoding"), out.Body.Len())
	}
}
