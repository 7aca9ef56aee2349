// Command grpchealth is a server of grpc-go with its own health service, for a test of the check of type
// "grpc". It is a module of its own, so that gslb's has none of gRPC in it.
//
// SIGUSR1 turns all services to NOT_SERVING, as a server does that is about to end; SIGUSR2 turns them back.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	listen := flag.String("listen", "", "address and port")
	service := flag.String("service", "", "name of a service that serves, besides the server as a whole")
	flag.Parse()
	if err := serve(*listen, *service); err != nil {
		fmt.Fprintln(os.Stderr, "grpchealth:", err)
		os.Exit(1)
	}
}

func serve(listen, service string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	states := health.NewServer()
	states.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, states)

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range signals {
			if s == syscall.SIGUSR1 {
				states.Shutdown()
			} else {
				states.Resume()
			}
		}
	}()
	return server.Serve(listener)
}
