// Package parts runs real programs for tests: the gslb binary, and those around it, such as
// HAProxy, PHP app servers, DynamoDB Local, unbound, NSD and gdnsd. The demonstration and the
// black-box tests are built from them; the package imports nothing else of this project.
//
// A [Lab] starts the programs, each a [Part] that can be killed, hung, resumed and
// restarted, keeps their logs in one folder, and leaves no process behind, however its own
// program ends. A [Region] is what stands in one place of the world: a load balancer, two
// app servers, a DynamoDB table, and the [Fault]s that can befall them.
//
// In a test:
//
//	func TestMain(m *testing.M) { os.Exit(parts.Isolated(m.Run)) }
//
//	func TestFailover(t *testing.T) {
//		lab := parts.ForTest(t)
//		nyc, err := lab.StartRegion(t.Context(), parts.RegionConfig{...})
//
// Methods that wait take a context and end with it; without a deadline of its own they
// give up after a generous one. Everything here is for Linux.
package parts
