// Package load makes DNS load that dnsperf does not: UDP on a fixed schedule, whose latencies
// count a server's pauses in full, and TCP with a given number of queries a connection.
//
// A generator is one loop on one thread that is bound to one processor, which nothing else
// should use meanwhile, and hardly allocates, so that no garbage has to be collected then.
package load
