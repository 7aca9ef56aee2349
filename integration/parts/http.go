package parts

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// httpWait is how long a part may take over one request, which is much longer than a
// healthy one takes.
const httpWait = 10 * time.Second

// freshClient makes a client that leaves no idle connection behind, asks no proxy and
// follows no redirect.
func freshClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       (&net.Dialer{Timeout: httpWait}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       httpWait,
	}
}

// Get makes a GET request on a connection of its own and returns the status code and the
// body. A status other than 200 is no error.
func Get(ctx context.Context, url string) (status int, body []byte, err error) {
	return getWithin(ctx, httpWait, url)
}

func getWithin(ctx context.Context, wait time.Duration, url string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	client := freshClient()
	client.Timeout = wait
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("GET %s: %w", url, err)
	}
	return response.StatusCode, body, nil
}

// getsStatus returns nil where a GET is answered with that status code.
func getsStatus(ctx context.Context, url string, status int) error {
	got, body, err := Get(ctx, url)
	if err == nil && got != status {
		err = fmt.Errorf("GET %s: status %d, expected %d: %.200s", url, got, status, body)
	}
	return err
}
