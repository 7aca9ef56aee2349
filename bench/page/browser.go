package page

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"gslb/integration/parts"
)

// loading is what a load of a page took and brought.
type loading struct {
	FirstPaint, FirstContent float64 // milliseconds from the navigation's begin, as Loaded
	Loaded                   float64 // with all that belongs to it
	Decoded                  float64 // bytes, of all that belongs to it
	Height                   float64 // pixels
	Elements                 float64 // elements of the document

	wire float64 // bytes that the browser received
	main float64 // seconds of processor time of the main thread, until the page has come to rest
}

// loadScript returns a loading. The browser is asked for it until something is painted and all is loaded.
const loadScript = `(() => {
  const paint = (name) => performance.getEntriesByName(name)[0]?.startTime ?? 0;
  const page = performance.getEntriesByType("navigation")[0];
  const all = [page, ...performance.getEntriesByType("resource")];
  return {
    FirstPaint: paint("first-paint"), FirstContent: paint("first-contentful-paint"), Loaded: page.loadEventEnd,
    Decoded: all.reduce((sum, e) => sum + e.decodedBodySize, 0),
    Height: document.documentElement.scrollHeight, Elements: document.querySelectorAll("*").length,
  };
})()`

// The window is that of a small laptop.
const windowWidth, windowHeight = 1280, 900

// open has a browser load a page as if for the first time: in a tab with a cache and connections of its own.
func open(ctx, browser context.Context, r *relay) (tab context.Context, l loading, err error) {
	tab, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	if err := chromedp.Do(tab, chromedp.EmulateViewport(windowWidth, windowHeight)); err != nil {
		return nil, l, err
	}
	if _, err := chromedp.Call(tab, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}); err != nil {
		return nil, l, err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	before := r.bytes.Load()
	if err := within(ctx, tab, chromedp.Navigate(r.url())); err != nil {
		return nil, l, fmt.Errorf("load %s: %w", r.url(), err)
	}
	err = parts.Until(ctx, "the page is loaded and painted", func(ctx context.Context) error {
		var err error
		if l, err = evaluate[loading](ctx, tab, loadScript); err == nil && (l.FirstPaint == 0 || l.Loaded == 0) {
			err = fmt.Errorf("%+v", l)
		}
		return err
	})
	if err != nil {
		return nil, l, err
	}
	l.wire = float64(r.bytes.Load() - before)
	metrics, err := chromedp.Call(tab, performance.GetMetrics, struct{}{})
	if err != nil {
		return nil, l, err
	}
	for _, m := range metrics.Metrics {
		if m.Name == "TaskDuration" {
			l.main = m.Value
		}
	}
	return tab, l, nil
}

// within runs an action in a tab, whose context is not of the measurement, and ends with that.
func within(ctx, tab context.Context, action chromedp.Action[chromedp.Void]) error {
	tab, cancel := context.WithCancel(tab)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return chromedp.Do(tab, action)
}

// evaluate is the value of an expression in a page.
func evaluate[T any](ctx, tab context.Context, expression string) (T, error) {
	tab, cancel := context.WithTimeout(tab, 30*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return chromedp.Run(tab, chromedp.Evaluate[T](expression))
}
