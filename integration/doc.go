// Package integration tests the built server, bin/gslb, as a black box among the real parts
// of [gslb/integration/parts]: what operators, resolvers and clients see of it while
// regions fail and recover. The tests need the build tag integration; make test runs them.
package integration
