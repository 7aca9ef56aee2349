package hostdns

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"nameserver 192.0.2.1\n", "[192.0.2.1:53]"},
		{"# nameserver 192.0.2.9\nsearch example.com\nnameserver 192.0.2.1 # the first\n nameserver\t2001:db8::1\noptions ndots:2", "[192.0.2.1:53 [2001:db8::1]:53]"},
		{"nameserver fe80::1%eth0\n", "[[fe80::1%eth0]:53]"},
		{"nameserver ns.example.com\nnameserver\nnameserver 192.0.2.1\n", "[192.0.2.1:53]"},
		{strings.Repeat("nameserver 192.0.2.1\n", 9), "[192.0.2.1:53 192.0.2.1:53 192.0.2.1:53]"},
		{"", "[127.0.0.1:53 [::1]:53]"},
		{"search example.com\n", "[127.0.0.1:53 [::1]:53]"},
		{strings.Repeat("x", 100<<10) + "\nnameserver 192.0.2.1\n", "[127.0.0.1:53 [::1]:53]"}, // a line too long to be one
	} {
		if got := fmt.Sprint(Parse([]byte(test.file))); got != test.want {
			t.Errorf("%.60q: %s, want %s", test.file, got, test.want)
		}
	}
}

func TestServers(t *testing.T) {
	servers, err := Servers()
	if err != nil || len(servers) == 0 {
		t.Errorf("this host asks %v: %v", servers, err)
	}
}
