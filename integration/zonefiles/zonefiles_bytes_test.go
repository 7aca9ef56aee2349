//go:build integration

package zonefiles

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// oddBytes makes the master files whose bytes or whose length a text archive would not keep.
func oddBytes() []corpusFile {
	const head = "$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n"
	a := func(n int) string { return strings.Repeat("a", n) }
	quoted := func(n int) string { return strings.Repeat(` "`+a(255)+`"`, n) }

	var files []corpusFile
	whole := func(name, text string) { files = append(files, corpusFile{name: "bytes/" + name, text: text}) }
	part := func(name, text string) {
		files = append(files, corpusFile{name: "bytes/" + name, text: head + text, head: strings.Count(head, "\n")})
	}

	whole("byte-order-mark", "\ufeff"+head)
	whole("utf-16", utf16Of(head))
	whole("gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00")
	whole("nuls-only", strings.Repeat("\x00", 512))

	whole("crlf", strings.ReplaceAll(head, "\n", "\r\n"))
	whole("cr-only", strings.ReplaceAll(head, "\n", "\r"))
	part("crlf-quoted", "x TXT \"a\"\r\n")
	part("crlf-parentheses", "x TXT ( a\r\n b )\r\n")
	part("crlf-comment", "x A 192.0.2.1 ; c\r\n")
	part("crlf-blank-owner", "x A 192.0.2.1\r\n\r\n  TXT a\r\n")

	whole("no-final-newline", strings.TrimSuffix(head, "\n"))
	part("no-final-newline-comment", "; end")
	part("no-final-newline-quote", `x TXT "a"`)
	part("no-final-newline-blank", "   ")
	part("no-final-newline-directive", "$TTL 60")

	part("nul-in-text", "x TXT \"a\x00b\"\n")
	part("nul-in-text-unquoted", "x TXT a\x00b\n")
	part("nul-in-owner", "a\x00b A 192.0.2.1\n")
	part("nul-in-comment", "; a\x00b\n")
	part("nul-line", "\x00\n")
	part("nul-at-end", "\x00")
	part("control-z-at-end", "\x1a")
	part("control-in-text", "x TXT \"a\x01\x7fb\"\n")
	part("control-in-owner", "a\x01b TXT x\n")
	part("form-feed-line", "\f\nx A 192.0.2.1\n")
	part("form-feed-separator", "x\fA\f192.0.2.1\n")
	part("vertical-tab-separator", "x\vA 192.0.2.1\n")
	part("no-break-space-separator", "x\u00a0A 192.0.2.1\n")
	part("latin-1-text", "x TXT \"gr\xfc\xdfe\"\n")
	part("latin-1-owner", "m\xfcnchen A 192.0.2.1\n")

	for _, n := range []int{255, 256} {
		part(fmt.Sprintf("txt-%d", n), `x TXT "`+a(n)+"\"\n")
		part(fmt.Sprintf("txt-%d-unquoted", n), "x TXT "+a(n)+"\n")
		part(fmt.Sprintf("txt-%d-escaped", n), `x TXT "`+strings.Repeat(`\097`, n)+"\"\n")
		part(fmt.Sprintf("hinfo-%d", n), `x HINFO "`+a(n)+"\" x\n")
		part(fmt.Sprintf("caa-tag-%d", n), "@ CAA 0 "+a(n)+" \"x\"\n")
	}
	part("txt-many-long", "x TXT"+quoted(16)+"\n")
	part("txt-65535", "x TXT"+quoted(255)+` "`+a(254)+"\"\n")
	part("txt-65536", "x TXT"+quoted(256)+"\n")
	part("caa-long", `@ CAA 0 issue "`+a(256)+"\"\n")
	part("uri-long", `x URI 1 1 "http://`+a(300)+"\"\n")

	part("comment-long", ";"+a(1<<20)+"\n")
	part("blanks-long", "x A"+strings.Repeat(" ", 1<<17)+"192.0.2.1\n")
	part("token-long", "x OPENPGPKEY "+strings.Repeat("AAAA", 15000)+"\n")
	part("garbage-long", a(1<<20)+"\n")
	part("lines-many", "x TXT ("+strings.Repeat("\n", 70000)+"a )\n")
	var set, owners strings.Builder
	for i := range 1 << 12 {
		fmt.Fprintf(&set, "x A 10.0.%d.%d\n", i>>8, i&255)
	}
	for i := range 20000 {
		fmt.Fprintf(&owners, "h%d A 192.0.2.1\n", i)
	}
	part("set-large", set.String())
	part("owners-many", owners.String())
	return files
}

// utf16Of is a text in UTF-16, little-endian, with a byte order mark.
func utf16Of(text string) string {
	encoded := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		encoded = append(encoded, byte(unit), byte(unit>>8))
	}
	return string(encoded)
}
