package cookie

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// Whatever comes as a cookie gets a verdict; and a good one is, but for reserved bytes, what
// this server would have made itself.
func FuzzVerify(f *testing.F) {
	k := keyring(f, secretA1)
	f.Add(client[:], k.Append(nil, client, addr, noon), addr.AsSlice(), noon.Unix())
	f.Add(fromHex(f, "fc93fc62807ddb86"), fromHex(f, "01abcdef5cf78f71a314227b6679ebf5"), []byte{203, 0, 113, 203}, int64(1559727985))
	f.Add(client[:], []byte{}, []byte{}, int64(-1))
	f.Add(client[:], make([]byte, 32), make([]byte, 16), int64(1<<40))
	f.Fuzz(func(t *testing.T, clientBytes, server, ip []byte, seconds int64) {
		if len(clientBytes) != ClientSize {
			return
		}
		c := Client(clientBytes)
		addr, _ := netip.AddrFromSlice(ip)
		now := time.Unix(seconds, 0)
		if !k.Verify(c, server, addr, now).OK() {
			return
		}
		made := time.Unix(int64(uint32(now.Unix()))-int64(head(server).age(now)), 0)
		if bytes.Equal(server[1:timestampAt], []byte{0, 0, 0}) && !bytes.Equal(k.Append(nil, c, addr, made), server) {
			t.Fatalf("%x holds, and would not have been made so", server)
		}
	})
}

func FuzzParseSecrets(f *testing.F) {
	f.Add([]byte("# old\n" + secretA1 + "\n\n" + secretA4))
	f.Add([]byte("\r\n#"))
	f.Add([]byte("g5e973e5a6b2a43f48e7dc849e37bfcf"))
	f.Fuzz(func(t *testing.T, data []byte) {
		secrets, err := ParseSecrets(data)
		if err != nil && secrets != nil {
			t.Fatalf("%d secrets with error %v", len(secrets), err)
		}
	})
}
