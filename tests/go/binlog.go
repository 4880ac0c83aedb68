package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/binarylog"
)

// grpc-go reads what to log at its start, from here.
const filter = "GRPC_BINARY_LOG_FILTER"

// The files of grpc-go's own sink, whose names it chooses.
func logs() map[string]bool {
	names, err := filepath.Glob("/tmp/grpcgo_binarylog_*.txt")
	check(err)
	found := map[string]bool{}
	for _, name := range names {
		found[name] = true
	}
	return found
}

// Logs two calls by grpc-go's own binary logging, of the server and of the client, to the file.
func logCalls(file string) {
	if os.Getenv(filter) == "" {
		again := exec.Command(os.Args[0], os.Args[1:]...)
		again.Env = append(os.Environ(), filter+"=*")
		again.Stdout, again.Stderr = os.Stdout, os.Stderr
		check(again.Run())
		return
	}
	before := logs()
	sink, err := binarylog.NewTempFileSink()
	check(err)
	binarylog.SetSink(sink)

	server := grpc.NewServer(grpc.CustomCodec(serverCodec{}), grpc.UnknownServiceHandler(
		func(_ interface{}, stream grpc.ServerStream) error { return handle("Unary", stream) }))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { check(server.Serve(listener)) }()
	channel := dial(listener.Addr().String())
	_, _, err = calling{channel, []string{"strategy", "blue"}}.run("Unary", []byte("hello"))
	check(err)
	_, _, err = calling{channel, []string{"status", "5", "details", "not here"}}.run("Unary", []byte("again"))
	fmt.Println("ended with", err)
	check(channel.Close())
	server.GracefulStop()
	check(sink.Close())
	for name := range logs() {
		if before[name] {
			continue
		}
		content, err := os.ReadFile(name)
		check(err)
		check(os.WriteFile(file, content, 0o600))
		check(os.Remove(name))
	}
	fmt.Println("logged")
}
