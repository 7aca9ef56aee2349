//go:build integration

package integration

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"gslb/integration/parts"
)

// awaitText waits until the value of an expression has some text in it, in this page or the next one.
func awaitText(t *testing.T, tab context.Context, expression, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 20*time.Second)
	defer cancel()
	must(t, parts.Until(ctx, fmt.Sprintf("%s has %q", expression, text), func(ctx context.Context) error {
		value, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
		if err == nil && !strings.Contains(value, text) {
			err = errors.New("it is " + value)
		}
		return err // between two pages there is none
	}))
}

// tabTo presses the tab key until something has the focus.
func tabTo(t *testing.T, tab context.Context, selector string) {
	t.Helper()
	for range 100 {
		must(t, chromedp.Do(tab, chromedp.KeyEvent("\t")))
		if js[bool](t, tab, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
	}
	t.Fatalf("the tab key does not reach %s", selector)
}

// TestActing drains a pool by the page with the keyboard alone and without scripts, while another tab shows
// the page: there the answer changes without a reload, and what is open and typed stays.
func TestActing(t *testing.T) {
	ctx := beside(t)
	const token = "gslb_token_of_the_test"
	tokens := filepath.Join(t.TempDir(), "tokens")
	must(t, os.WriteFile(tokens, fmt.Appendf(nil, "ada %x\n", sha256.Sum256([]byte(token))), 0o600))
	s := setup{Zone: appZone, Tokens: tokens, StateDir: t.TempDir()}.serve(t, ctx)
	checkDig(t, ctx, s.Listen, app, "nyc")

	watching := browse(t, ctx)
	must(t, chromedp.Do(watching, chromedp.Navigate(s.URL("/"))))
	const body, answer = "document.body.innerText", `document.querySelector("[data-row='app.gslb.example.com.'] summary").innerText`
	awaitText(t, watching, answer, "nyc")
	js[bool](t, watching, `document.getElementById("pool-ams").firstElementChild.click() || (window.loadedOnce = true)`)
	must(t, chromedp.Do(watching, chromedp.SendKeys("#q", "typed")))

	acting := browse(t, ctx)
	must(t, chromedp.Do(acting, chromedp.Navigate("about:blank")))
	_, err := chromedp.Call(acting, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	must(t, err)
	must(t, chromedp.Do(acting, chromedp.Navigate(s.URL("/"))))
	tabTo(t, acting, "#pool-nyc > summary")
	must(t, chromedp.Do(acting, chromedp.KeyEvent("\r")))
	tabTo(t, acting, "a[href='/act?do=drain&pool=nyc']")
	must(t, chromedp.Do(acting, chromedp.KeyEvent("\r")))
	awaitText(t, acting, "document.activeElement.id", "reason")
	checkForm(t, acting)
	must(t, chromedp.Do(acting, chromedp.KeyEvent("new disks\r")))
	awaitText(t, acting, body, "What it would change")
	awaitText(t, acting, body, "nyc → ams")
	awaitText(t, acting, "document.activeElement.id", "token")
	checkDig(t, ctx, s.Listen, app, "nyc")
	must(t, chromedp.Do(acting, chromedp.KeyEvent("gslb_wrong\r")))
	awaitText(t, acting, body, "the token is not one of this server's")
	checkForm(t, acting)
	checkDig(t, ctx, s.Listen, app, "nyc")
	awaitText(t, acting, "document.activeElement.id", "token")
	must(t, chromedp.Do(acting, chromedp.KeyEvent(token+"\r")))
	awaitText(t, acting, "location.pathname + location.hash", "/#done")
	awaitText(t, acting, body, "nyc is drained by ada (token)")
	checkDig(t, ctx, s.Listen, app, "ams")

	awaitText(t, watching, answer, "ams")
	awaitText(t, watching, `document.getElementById("overrides").innerText`, "new disks")
	awaitText(t, watching, `document.getElementById("news").textContent`, "nyc is drained") // to a screen reader
	if got := js[string](t, watching, `String(["loadedOnce" in window, document.getElementById("pool-ams").open, document.getElementById("q").value])`); got != "true,true,typed" {
		t.Errorf("the page was loaded again, or what was open or typed is lost: %s", got)
	}
	if all := js[string](t, acting, "document.documentElement.outerHTML + location.href") + strings.Join(logTexts(t, s), " "); strings.Contains(all, token) {
		t.Error("the token is on the page, in its address or in the log")
	}

	// Nobody sees the page: it asks for nothing, and is fresh when somebody does.
	const hide = `Object.defineProperty(document, "hidden", { value: %t, configurable: true }) && document.dispatchEvent(new Event("visibilitychange"))`
	js[bool](t, watching, fmt.Sprintf(hide, true))
	tabTo(t, acting, "a[href='/act?do=end&id=drain/nyc']")
	must(t, chromedp.Do(acting, chromedp.KeyEvent("\r")))
	awaitText(t, acting, "document.activeElement.id", "reason")
	must(t, chromedp.Do(acting, chromedp.KeyEvent("\r")))
	awaitText(t, acting, "document.activeElement.id", "token")
	must(t, chromedp.Do(acting, chromedp.KeyEvent(token+"\r")))
	awaitText(t, acting, body, "ended by ada (token)")
	checkDig(t, ctx, s.Listen, app, "nyc")
	if got := js[string](t, watching, answer); !strings.Contains(got, "ams") {
		t.Errorf("a page that is hidden is kept fresh: %s", got)
	}
	js[bool](t, watching, fmt.Sprintf(hide, false))
	awaitText(t, watching, answer, "nyc")
}

// checkForm checks that a form fits on a phone, and can be used by a screen reader.
func checkForm(t *testing.T, tab context.Context) {
	t.Helper()
	wrong := js[[]string](t, tab, accessible)
	if wide := js[int64](t, tab, "document.documentElement.scrollWidth - innerWidth"); wide > 0 || len(wrong) > 0 {
		t.Errorf("the form is %d pixels too wide; %s", wide, strings.Join(wrong, "; "))
	}
}

// logTexts is the lines of a server's log.
func logTexts(t *testing.T, s *server) []string {
	t.Helper()
	lines, err := s.LogLines()
	must(t, err)
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = fmt.Sprint(l)
	}
	return texts
}
