package probe

import (
	"bytes"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// hidden is the secrets of one traced probe: they are shown nowhere, not even where the server sends them
// back. A trace ends up in tickets and chats.
//
//	of a request: a header that carries no secret by its purpose   is shown
//	any other header, however it is called                         its value is hidden
//	of a response: a header whose name speaks of a secret          its value is hidden
//	any other header                                               is shown
//	a parameter, a field of a form or of JSON, named like one      its value is hidden
//	of TCP: what follows a command to log in                       is hidden
//	what was hidden once, wherever it is seen again                is hidden
type hidden struct{ values []string }

// placeholder stands for a secret.
const placeholder = "[hidden]"

// A secret is looked for elsewhere if it is at least this long. Shorter ones stand in any text, and so does
// much of what headers have that are not named like secrets.
const (
	shortestSecret  = 4
	shortestUnknown = 12
)

// plainHeaders carry no secret by their purpose. Their values are still looked through.
var plainHeaders = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Cache-Control",
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Expect", "From", "Host", "Origin", "Pragma", "Range",
	"Referer", "Te", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Target",
	"X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto",
}

var (
	// secretName is how headers, parameters and fields with secrets are called.
	secretName = regexp.MustCompile(`(?i)auth|cookie|credential|key|passw|secret|session|signature|token`)

	// named is a value with such a name, in a query, in a form or in JSON.
	named = regexp.MustCompile(`(?i)([\w.-]*(?:authorization|credential|api[_-]?key|access[_-]?key|passw|passphrase|secret|signature|token)[\w.-]*"?\s*[=:]\s*)("(?:[^"\\]|\\.)*"?|[^"&\s,;}]+)`)

	// userinfo is what stands before the host in a URL (RFC 3986, section 3.2.1).
	userinfo = regexp.MustCompile(`(://)([^/?#@\s"]+)(@)`)

	// login is a command with which a client logs in to a mail server, Redis or alike.
	login = regexp.MustCompile(`(?i)\b(AUTH|PASS|LOGIN)(\r?\n\$\d+|[ \t])`)
)

// request is what is shown of a request or of what a TCP check sends. What it hides is hidden from then on.
func (h *hidden) request(data []byte) []byte {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if line, _, _ := bytes.Cut(data, []byte("\r\n")); !ok || !bytes.Contains(line, []byte(" HTTP/")) {
		return []byte(h.remove(h.withoutLogin(string(data))))
	}
	lines := strings.Split(string(head), "\r\n")
	for i, line := range lines {
		name, value, found := strings.Cut(line, ": ")
		if i > 0 && found && !slices.Contains(plainHeaders, textproto.CanonicalMIMEHeaderKey(name)) {
			least := shortestUnknown
			if secretName.MatchString(name) {
				least = shortestSecret
			}
			h.add(value, least)
			lines[i] = name + ": " + placeholder
		}
	}
	text := strings.Join(lines, "\r\n") + "\r\n\r\n" + string(body)
	return []byte(h.remove(text))
}

// response is what is shown of a response's header.
func (h *hidden) response(data []byte) []byte {
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if i > 0 && found && secretName.MatchString(name) {
			end := value[len(strings.TrimRight(value, "\r\n")):]
			lines[i] = name + ": " + placeholder + end
		}
	}
	return []byte(h.remove(strings.Join(lines, "")))
}

// withoutLogin hides what follows a command to log in.
func (h *hidden) withoutLogin(text string) string {
	at := login.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	rest := text[at[3]:] // behind the command
	for word := range strings.FieldsSeq(rest) {
		if !strings.HasPrefix(word, "$") {
			h.add(word, shortestSecret)
		}
	}
	return text[:at[3]] + " " + placeholder
}

// add notes a secret, and its parts: a server may send back the second word of "Bearer abc".
func (h *hidden) add(secret string, least int) {
	for _, value := range append(strings.Fields(secret), secret) {
		if len(value) >= least && !slices.Contains(h.values, value) {
			h.values = append(h.values, value)
		}
	}
	// The longest first, since one may be a part of another.
	slices.SortStableFunc(h.values, func(a, b string) int { return len(b) - len(a) })
}

// remove returns a text without secrets.
func (h *hidden) remove(text string) string {
	for _, value := range h.values {
		text = strings.ReplaceAll(text, value, placeholder)
	}
	text = userinfo.ReplaceAllString(text, "${1}"+placeholder+"${3}")
	return named.ReplaceAllString(text, "${1}"+placeholder)
}
