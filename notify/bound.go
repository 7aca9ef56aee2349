package notify

import (
	"net/http"

	"gslb/notify/shout"
)

// BoundDefaultClient limits the HTTP client of the standard library, which the services of shoutrrr use and can't
// be given another instead of: how long a request may take, and how much of a reply is read. It is for a command
// that sends messages, once, before anything else runs. Nothing else of this program uses that client.
func BoundDefaultClient() {
	http.DefaultClient.Timeout = sendWait
	http.DefaultTransport = shout.Bound(http.DefaultTransport)
}
