// Package cookie makes and verifies the server's half of DNS cookies (RFC 7873), in the form
// that every implementation shares (RFC 9018): a client that sends back the server cookie it
// was given has shown that its address is its own, so that its replies need no rate limit.
//
// A server cookie has 16 bytes (RFC 9018, section 4):
//
//	version (1) | reserved (3) | timestamp (4) | hash (8)
//
// The version is 1. The hash is SipHash-2-4, under a secret of the server's, of the client
// cookie, the first eight bytes of the server cookie and the client's address. Nothing is
// remembered of a client: whoever has the secret can verify what was made with it.
//
// # Secrets
//
// A [Keyring] holds the secrets in order. The first makes cookies, all of them verify. So
// the three stages in which servers that share secrets go from one to the next (RFC 9018,
// section 5) are three contents of the file they share, each to be on every server before
// the next is on any:
//
//  1. old, new: all can verify what the new secret is going to make.
//  2. new, old: all make cookies with the new one; those of the old one still hold.
//  3. new: once clients have had the time to come back for a new cookie, which is the longest
//     TTL that is served and half an hour, the old secret goes.
//
// A server that shares its secret with no other makes one up with [NewSecret], and replaces
// it every [Lifetime] with [Keyring.Rotate]. It needs no first stage.
//
// # What becomes of a cookie
//
// [Keyring.Verify] judges it, and the caller decides what to answer. By RFC 7873, section 5.2, a
// query with a client cookie alone, or with an invalid server cookie, is answered as if there were
// none (or BADCOOKIE, if the server insists), with a new server cookie. A valid one may be returned
// unchanged. It should be replaced when it is more than half an hour old, or was made with a secret
// that is being retired.
package cookie
