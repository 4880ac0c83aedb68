// grpc-go as an engine and as a client, with messages of bare bytes:
//
//	peer serve          an engine: says "serving PORT", ends with its input
//	peer call ADDRESS   the interop cases of gRPC against an engine of these tests
//	peer binlog FILE    two calls in grpc-go's binary log (see binlog.go)
//	peer effects        what grpc-go sees of each fault (see effects.go)
package main

import (
	"fmt"
	"io"
	"log"
	"os"
)

// The codec of both sides: a message is the bytes that it is made of.
type bare struct{}

func (bare) Name() string { return "bare" }

func (bare) Marshal(message interface{}) ([]byte, error) { return *message.(*[]byte), nil }

func (bare) Unmarshal(data []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte{}, data...)
	return nil
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		serve()
	case len(os.Args) == 3 && os.Args[1] == "call":
		call(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "binlog":
		logCalls(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "effects":
		effects()
	default:
		fmt.Fprintln(os.Stderr, "usage: peer serve | call ADDRESS | binlog FILE | effects")
		os.Exit(2)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
