package parts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
)

// Browse starts a real browser (Chromium, headless) with a profile that is new. The context is that of its tab. The
// browser does not end with ctx, but by end, which waits for it.
func Browse(ctx context.Context) (tab context.Context, end func() error, err error) {
	chromium, err := find("chromium")
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "gslb-browser-")
	if err != nil {
		return nil, nil, fmt.Errorf("profile of the browser: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ctx, _ = chromedp.NewExecAllocator(ctx, chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true), chromedp.UserDataDir(dir))
	tab, _ = chromedp.NewContext(ctx)
	end = func() error {
		kill := time.AfterFunc(stopWait, cancel)
		err := chromedp.Cancel(tab)
		kill.Stop()
		cancel()
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := chromedp.Do(tab); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start the browser: %w", err), end())
	}
	return tab, end, nil
}

// DumpDOM has a real browser (Chromium, headless) load a page, run its scripts, and write
// what has become of it as HTML. Name is that of the folder for the browser's profile.
func (l *Lab) DumpDOM(ctx context.Context, name, url string) (string, error) {
	chromium, err := find("chromium")
	if err != nil {
		return "", err
	}
	dir, err := l.folder(name)
	if err != nil {
		return "", err
	}
	var page, log bytes.Buffer
	process, err := startProcess(l.thread, l.reaper, l.bound(), &exec.Cmd{
		Path: chromium,
		Args: []string{
			chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync",
			"--user-data-dir=" + filepath.Join(dir, "profile"), "--dump-dom", url,
		},
		Dir:    dir,
		Env:    []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "LANG=C"},
		Stdout: &page,
		Stderr: &log,
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	select {
	case <-process.done:
	case <-ctx.Done():
		process.signal(syscall.SIGKILL)
		<-process.done
		return "", fmt.Errorf("%s: %s does not load: %w; its log:\n%s", name, url, ctx.Err(), log.String())
	}
	if !process.state.Success() {
		return "", fmt.Errorf("%s: %s: %v; its log:\n%s", name, url, process.state, log.String())
	}
	return page.String(), nil
}
