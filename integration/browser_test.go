//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gslb/integration/parts"
)

// browse starts a real browser, whose window is a phone's, and which ends with the test.
func browse(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	tab, end, err := parts.Browse(ctx)
	must(t, err)
	t.Cleanup(func() { must(t, end()) })
	tab, cancel := context.WithTimeout(tab, enough)
	t.Cleanup(cancel)
	must(t, chromedp.Do(tab, chromedp.EmulateViewport(360, 740)))
	return tab
}

// js is the value of an expression in the page.
func js[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(tab, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// awaitJS waits until an expression is true in the page.
func awaitJS(t *testing.T, tab context.Context, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 20*time.Second)
	defer cancel()
	must(t, parts.Until(ctx, expression, func(context.Context) error {
		if !js[bool](t, tab, expression) {
			return fmt.Errorf("it is not; the page says %.2000s", js[string](t, tab, "document.body.innerText"))
		}
		return nil
	}))
}

// accessible lists what a screen reader, or somebody without a mouse, would stumble over.
const accessible = `(() => {
  const wrong = [], seen = new Set();
  for (const e of document.querySelectorAll("[id]")) seen.has(e.id) ? wrong.push("twice: id " + e.id) : seen.add(e.id);
  for (const e of document.querySelectorAll("[aria-labelledby]"))
    if (e.querySelector("h1, h2, h3") && !document.getElementById(e.getAttribute("aria-labelledby"))) wrong.push("no label: " + e.id);
  for (const e of document.querySelectorAll("input:not([type=hidden])")) if (!e.labels.length) wrong.push("no label: input " + e.name);
  for (const e of document.querySelectorAll("summary, a, button, h1, h2, h3")) if (!e.textContent.trim()) wrong.push("empty: " + e.outerHTML);
  for (const e of document.querySelectorAll("svg")) if (!e.getAttribute("aria-label") && !e.getAttribute("aria-hidden")) wrong.push("no text: svg");
  for (const e of document.querySelectorAll("nav")) if (!e.getAttribute("aria-label")) wrong.push("no name: nav");
  let level = 0;
  for (const e of document.querySelectorAll("h1, h2, h3")) {
    const n = +e.tagName[1];
    if (n > level + 1) wrong.push("a level is left out before: " + e.textContent);
    level = n;
  }
  for (const tag of ["header", "main", "footer", "h1"]) if (document.querySelectorAll(tag).length != 1) wrong.push("not one " + tag);
  return wrong;
})()`

// TestPageOnAPhone: the first answer is seen without scrolling, and nothing is wider than the screen; what
// is folded stays so while the page is kept fresh, which needs no request to anybody else; and a failure
// shows by itself.
func TestPageOnAPhone(t *testing.T) {
	ctx := begin(t)
	s := setup{Zone: appZone}.serve(t, ctx)
	clients := watch(t, s.Listen, app)
	clients.await(t, ctx, "nyc", time.Now())
	tab := browse(t, ctx)
	must(t, chromedp.Do(tab, chromedp.Navigate(s.URL("/"))))
	look := func(when string) {
		t.Helper()
		if bottom := js[float64](t, tab, `document.querySelector("[data-row] summary").getBoundingClientRect().bottom`); bottom > 740 {
			t.Errorf("%s: the first answer ends at %v of 740 pixels", when, bottom)
		}
		for _, width := range []int64{320, 360, 640, 1280} {
			must(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 740)))
			if wide := js[int64](t, tab, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("%s: the page is %d pixels wide on a screen of %d", when, wide, width)
			}
		}
		must(t, chromedp.Do(tab, chromedp.EmulateViewport(360, 740)))
		if wrong := js[[]string](t, tab, accessible); len(wrong) > 0 {
			t.Errorf("%s: %s", when, strings.Join(wrong, "; "))
		}
	}
	look("healthy")

	js[bool](t, tab, `(e => { e.focus(); e.click(); return true })(document.querySelector("#names summary"))`)
	awaitJS(t, tab, `document.querySelector("#names details").open`)
	must(t, world.nyc.Inflict(ctx, parts.AppFailing))
	clients.await(t, ctx, "ams", time.Now())
	awaitJS(t, tab, `document.querySelector("#names .node.now").innerText.includes("ams") && document.title.startsWith("▲")`)
	look("failed")
	if !js[bool](t, tab, `document.activeElement == document.querySelector("#names summary")`) {
		t.Error("what had the focus has lost it")
	}
	js[bool](t, tab, `document.querySelector("#names summary").click() || true`)
	now := js[string](t, tab, `document.getElementById("summary").dataset.now`)
	awaitJS(t, tab, fmt.Sprintf(`document.getElementById("summary").dataset.now != %q`, now))
	if js[bool](t, tab, `document.querySelector("#names details").open`) {
		t.Error("what was folded has unfolded")
	}
	// A row that is unfolded since its pool is down folds when it is up: what has the focus in it gives it to the line.
	js[bool](t, tab, `document.querySelector("#pool-nyc a").focus() || document.activeElement.closest("#pool-nyc").open`)
	must(t, world.nyc.Heal(ctx))
	awaitJS(t, tab, `!document.querySelector("#pool-nyc").open`)
	if !js[bool](t, tab, `document.activeElement == document.querySelector("#pool-nyc > summary")`) {
		t.Error("what had the focus in a row that folds has lost it: " + js[string](t, tab, `document.activeElement.outerHTML.slice(0, 100)`))
	}
	asked := js[[]string](t, tab, `performance.getEntriesByType("resource").map(e => e.name)`)
	if at := slices.IndexFunc(asked, func(u string) bool { return !strings.HasPrefix(u, s.URL("/")) }); at >= 0 || len(asked) < 3 {
		t.Errorf("the page asks for %q", asked)
	}
}

// TestPageOfMany: 2,000 names and 10,000 targets, all of which are down, are a page that is not long. How
// soon it is there is measured by make bench-page.
func TestPageOfMany(t *testing.T) {
	ctx := beside(t)
	var zone strings.Builder
	zone.WriteString("[checks.far]\ntype = \"tcp\"\naddress = \"{address}:9\"\ninterval = \"10m\"\ntimeout = \"1s\"\n")
	var pools []string
	for i := range 100 {
		var members []string
		for j := range 100 {
			members = append(members, fmt.Sprintf("%q", fmt.Sprintf("127.9.%d.%d", i, j+1)))
		}
		pools = append(pools, fmt.Sprintf("%q", fmt.Sprintf("p%02d", i)))
		fmt.Fprintf(&zone, "[pools.p%02d]\nmembers = [%s]\nchecks = [\"far\"]\n", i, strings.Join(members, ", "))
	}
	zone.WriteString(appZone)
	for i := range 2000 {
		fmt.Fprintf(&zone, "[zones.\"gslb.example.com\".names.customer-%04d]\npools = [%s]\n", i, strings.Join(pools, ", "))
	}
	s := setup{Zone: zone.String()}.serve(t, ctx)
	tab := browse(t, ctx)
	must(t, chromedp.Do(tab, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(s.URL("/"))))
	size := js[float64](t, tab, `performance.getEntriesByType("navigation")[0].transferSize`)
	height := js[float64](t, tab, "document.documentElement.scrollHeight")
	if size < 10_000 || size > 500_000 || height > 15_000 {
		t.Errorf("%.0f bytes, %.0f pixels high", size, height)
	}
	must(t, chromedp.Do(tab, chromedp.Navigate(s.URL("/?pool=p42&targets=1"))))
	if rows := js[int64](t, tab, `document.querySelectorAll(".targets tbody tr").length`); rows != 100 {
		t.Errorf("the page of a pool has %d targets", rows)
	}
	must(t, chromedp.Do(tab, chromedp.Navigate(s.URL("/?q=customer-1234"))))
	if rows := js[int64](t, tab, `document.querySelectorAll("#names [data-row]").length`); rows != 1 {
		t.Errorf("the filter finds %d names", rows)
	}
}
