package zones

import "bytes"

// IsOwnedBy reports whether owner, in wire form and lower case, is the node's.
func (n Node) IsOwnedBy(owner []byte) bool { return bytes.HasPrefix(n.data, owner) }
