// Package follow has steering follow the addresses of aliases. It stands between the watcher, which
// finds them, and the publisher, which answers them:
//
//	alias.Watcher ─► Follower: new? ─► targets ─► health.Monitor: first verdicts ─► Take ─► publisher
//
// A pool whose host gets new addresses, even other ones all at once, stays up throughout:
//
//	a host has             │ then
//	───────────────────────┼──────────────────────────────────────────────────────────────────────────
//	an address that is new │ its targets are probed; the host stays as it was until they have their
//	                       │ first verdicts, or as long as these may take
//	others while these are │ they are held instead, but no longer than the first ones would have been
//	probed                 │
//	an address that cannot │ the host stays as it was, and the log says so
//	be probed              │
//	lost an address        │ that is published; then its targets are forgotten
//
// While a configuration is replaced, the targets of both are probed, so that it can be refused.
package follow
