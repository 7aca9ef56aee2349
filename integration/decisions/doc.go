// Package decisions holds the built server, bin/gslb, to the documented rules of other global
// server load balancers, and to the rules of docs/steering.md. It is a black box: real queries over
// UDP and TCP, real probes of members whose health the tests switch. The tests need the build tag
// integration; make test runs them.
//
// # Cases
//
// Each folder of testdata is a peer. Its zones.toml is a configuration without [server] and
// [admin]; a pool without checks of its own is probed. Its cases.txt says what must be answered:
//
//	# https://docs.example.com/weighted
//	# Weight 0 is used only when every other weight is down.
//	down nyc sfo
//	api A -> ams
//	api A ecs 198.18.0.0/24 -> 3 nyc / 1 sfo, scope 0
//
// A block between empty lines is a case. Its comment has the source, and the rule in our own words.
// It begins with everything up. The other lines are steps:
//
//	down POOL|ADDRESS …   exactly these are down from here on; without any: nothing is
//	NAME TYPE [from ADDRESS] [ecs PREFIX] -> ANSWER[, ttl N][, scope N]
//
// NAME is relative to the zone. ANSWER is what every reply must be:
//
//	nyc              the addresses of the pool that are up, or all if none is
//	every nyc        all its addresses
//	nyc + 192.0.2.1  the addresses of both
//	3 nyc / 1 sfo    one of these, in these shares of the replies
//	2 of nyc + sfo   so many of these, each as often as the others
//	cname lb.example.net, NODATA, SERVFAIL
//
// The clients of the cases are in the networks of testdata/networks.txt, of which the databases for
// geoip are made.
package decisions
