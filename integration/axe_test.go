//go:build integration

package integration

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axePath is where setup.sh puts axe-core, which knows the Web Content Accessibility Guidelines.
const axePath = "../.cache/axe-core/axe.min.js"

// violations has axe-core look at a page, all of which is unfolded. What it cannot tell counts, too, but for
// contrast: it does not judge a sign alone, such as an arrow.
const violations = `(async () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const found = await axe.run(document, { resultTypes: ["violations", "incomplete"], %s });
  if (!found.passes.some((rule) => rule.id === "color-contrast")) return ["no contrast was looked at"];
  return found.violations.concat(found.incomplete.filter((rule) => rule.id !== "color-contrast"))
    .map((rule) => rule.id + ": " + rule.help + ": " + rule.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | "));
})()`

// unfocused gives all that the tab key reaches the focus, and lists what does not show it, or is beside the
// screen then.
const unfocused = `(() => {
  const wrong = [];
  for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")) {
    if (!e.checkVisibility()) continue;
    e.focus({ focusVisible: true });
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    if (document.activeElement !== e) wrong.push("takes no focus: " + e.outerHTML.slice(0, 100));
    else if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong.push("does not show the focus: " + e.outerHTML.slice(0, 100));
    if (box.left < -1 || box.right > innerWidth + 1) wrong.push("is beside the screen: " + e.outerHTML.slice(0, 100));
  }
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page scrolls sideways");
  return wrong;
})()`

// TestPagesByAxe: nobody is kept out of a page by its colours, its structure, large letters, a small screen, or
// for want of a mouse: in light and in dark, while all is well and while a pool is down.
func TestPagesByAxe(t *testing.T) {
	ctx := beside(t)
	script, err := os.ReadFile(axePath)
	must(t, err)
	tokens := filepath.Join(t.TempDir(), "tokens")
	must(t, os.WriteFile(tokens, fmt.Appendf(nil, "ada %x\n", sha256.Sum256([]byte("gslb_token"))), 0o600))
	app, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = app.Close() })
	s := setup{Tokens: tokens, StateDir: t.TempDir(), Zone: fmt.Sprintf(`
[checks.far]
type    = "tcp"
address = "%s"
%s
[pools.far]
members = ["192.0.2.1", "2001:db8::1"]
checks  = ["far"]
[zones."gslb.example.com"]
nameservers = { ns1 = ["127.0.0.53"] }
[zones."gslb.example.com".names.app]
pools = ["far", "nyc"]
[zones."gslb.example.com".names.only]
pools = ["far"]
[zones."gslb.example.com".names.views]
views = { default = ["far", "nyc"], "192.0.2.0/24" = ["ams"] }
`, app.Addr(), schedule)}.serve(t, ctx)
	tab := browse(t, ctx)
	_, err = chromedp.Call(tab, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	must(t, err)
	open := func(path string) { must(t, chromedp.Do(tab, chromedp.Navigate(s.URL(path)))) }
	look := func(what string) {
		t.Helper()
		js[bool](t, tab, string(script)+"; true")
		for _, scheme := range []string{"dark", "light"} { // what follows is looked at in the last
			rules := ""
			if scheme == "dark" {
				rules = `runOnly: ["color-contrast"]`
			}
			_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			must(t, err)
			wrong, err := chromedp.Run(tab, chromedp.Evaluate[[]string](fmt.Sprintf(violations, rules), chromedp.EvalAwaitPromise))
			must(t, err)
			for _, one := range wrong {
				t.Errorf("%s, %s: %s", what, scheme, one)
			}
		}
		for _, width := range []int64{320, 640} { // of a phone, and of letters twice as large on a screen of 1280
			must(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 740)))
			for _, one := range js[[]string](t, tab, unfocused) {
				t.Errorf("%s, %d pixels wide: %s", what, width, one)
			}
		}
		must(t, chromedp.Do(tab, chromedp.EmulateViewport(1280, 900)))
	}
	send := func(button string) { must(t, chromedp.Do(tab, chromedp.Click(button))) }

	must(t, chromedp.Do(tab, chromedp.EmulateViewport(1280, 900)))
	open("/?limit=5")
	awaitText(t, tab, "document.title", "all is well")
	look("all is well")
	open("/runbook")
	look("the runbook")
	open("/act?do=force&pool=far")
	look("a form")
	open("/act?do=move&name=app.gslb.example.com")
	send("button.do")
	awaitText(t, tab, "document.body.innerText", "What it would change")
	must(t, chromedp.Do(tab, chromedp.SendKeys("#token", "gslb_wrong")))
	send("button.do")
	awaitText(t, tab, "document.body.innerText", "the token is not one")
	look("the preview of a move, and a wrong token")
	must(t, chromedp.Do(tab, chromedp.SendKeys("#token", "gslb_token")))
	send("button.do")
	awaitText(t, tab, "document.activeElement.id", "done")
	// What has the focus keeps it while parts of the page are replaced. If it is gone, its part gets it, so that the
	// tab key does not begin at the top again.
	const abort = `#names a[href="/act?do=abort&name=app.gslb.example.com."]`
	js[bool](t, tab, fmt.Sprintf("document.querySelector(%q).focus() || true", abort))
	must(t, app.Close())
	awaitText(t, tab, "document.title", "✖")
	awaitText(t, tab, `document.querySelector("[data-row='only.gslb.example.com.'] summary").innerText`, "assume_up")
	if !js[bool](t, tab, fmt.Sprintf("document.activeElement.matches(%q)", abort)) {
		t.Errorf("the focus has gone to %s", js[string](t, tab, "document.activeElement.outerHTML.slice(0, 200)"))
	}
	js[bool](t, tab, `(state => { const a = document.createElement("a"); a.href = "/gone"; state.append(a); a.focus(); return true })(document.getElementById("state"))`)
	awaitJS(t, tab, `!document.querySelector("a[href='/gone']") && document.activeElement.id === "state"`)
	look("a move is under way, and a pool is down")
	open("/?name=app.gslb.example.com")
	look("a name")
	open("/?pool=far&limit=5")
	look("a pool")
}
