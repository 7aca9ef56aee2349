package cookie

import (
	"net/netip"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	k := keyring(b, secretA1)
	reply := make([]byte, 0, ServerSize)
	b.ReportAllocs()
	for b.Loop() {
		k.Append(reply, client, addr, noon)
	}
}

func BenchmarkVerify(b *testing.B) {
	k := keyring(b, secretA1, secretA4)
	for name, addr := range map[string]netip.Addr{"ipv4": addr, "ipv6": netip.MustParseAddr("2001:db8::1")} {
		server := k.Append(nil, client, addr, noon)
		forged := make([]byte, ServerSize)
		copy(forged, server)
		forged[ServerSize-1]++
		for kind, server := range map[string][]byte{"valid": server, "forged": forged} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					k.Verify(client, server, addr, noon)
				}
			})
		}
	}
}
