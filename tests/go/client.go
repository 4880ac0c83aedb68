package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const service = "/teal.test.TestService/"

// No case takes so long, however busy the machine.
const long = 60 * time.Second

func dial(address string) *grpc.ClientConn {
	channel, err := grpc.Dial(address, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithDefaultCallOptions(
		grpc.ForceCodec(bare{}), grpc.MaxCallRecvMsgSize(64<<20)))
	check(err)
	return channel
}

// A call with metadata, which ends with the case.
type calling struct {
	channel *grpc.ClientConn
	pairs   []string
}

func (c calling) open(method string) (grpc.ClientStream, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	ctx = metadata.AppendToOutgoingContext(ctx, c.pairs...)
	stream, err := c.channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, service+method)
	check(err)
	return stream, cancel
}

// Sends messages, half-closes, and gives all answers and how the call ended.
func (c calling) run(method string, requests ...[]byte) (answers [][]byte, stream grpc.ClientStream, end error) {
	stream, cancel := c.open(method)
	defer cancel()
	for _, request := range requests {
		request := request
		check(stream.SendMsg(&request))
	}
	check(stream.CloseSend())
	for {
		var answer []byte
		if err := stream.RecvMsg(&answer); err == io.EOF {
			return answers, stream, nil
		} else if err != nil {
			return answers, stream, err
		}
		answers = append(answers, answer)
	}
}

func same(found, expected interface{}) {
	if fmt.Sprint(found) != fmt.Sprint(expected) {
		log.Panicf("found %.200v instead of %.200v", found, expected)
	}
}

func sizes(messages [][]byte) (sizes []int) {
	for _, message := range messages {
		sizes = append(sizes, len(message))
	}
	return sizes
}

// The cases, by the names that gRPC's interop tests give them.
var cases = []struct {
	name string
	run  func(calling)
}{
	{"empty_unary", func(c calling) {
		answers, _, err := c.run("Unary", []byte{})
		same(err, nil)
		same(sizes(answers), []int{0})
	}},
	{"large_unary", func(c calling) {
		request := bytes.Repeat([]byte{7}, 4_000_000)
		answers, _, err := c.run("Unary", request)
		same(err, nil)
		same(len(answers) == 1 && bytes.Equal(answers[0], request), true)
	}},
	{"client_streaming", func(c calling) {
		answers, _, err := c.run("ClientStream", make([]byte, 27182), make([]byte, 8), make([]byte, 1828), make([]byte, 45904))
		same(err, nil)
		same(string(answers[0]), "74922")
	}},
	{"server_streaming", func(c calling) {
		answers, _, err := c.run("ServerStream", make([]byte, 31415))
		same(err, nil)
		same(sizes(answers), []int{31415, 31415, 31415})
	}},
	{"ping_pong", func(c calling) {
		stream, cancel := c.open("Bidi")
		defer cancel()
		for _, size := range []int{27182, 8, 1828, 45904} {
			request, answer := make([]byte, size), []byte(nil)
			check(stream.SendMsg(&request))
			check(stream.RecvMsg(&answer))
			same(len(answer), size)
		}
		check(stream.CloseSend())
		same(stream.RecvMsg(new([]byte)), io.EOF)
	}},
	{"empty_stream", func(c calling) {
		answers, _, err := c.run("Bidi")
		same(err, nil)
		same(len(answers), 0)
	}},
	{"custom_metadata", func(c calling) {
		every := make([]byte, 256)
		for at := range every {
			every[at] = byte(at)
		}
		c.pairs = append(c.pairs, "echo-initial", "test_initial_metadata_value", "trailer-bin", string(every))
		for _, method := range []string{"Unary", "Bidi"} {
			_, stream, err := c.run(method, []byte("x"))
			same(err, nil)
			header, err := stream.Header()
			check(err)
			same(header.Get("echo-initial"), []string{"test_initial_metadata_value"})
			same([]byte(stream.Trailer().Get("trailer-bin")[0]), every)
		}
	}},
	{"status_code_and_message", func(c calling) {
		c.pairs = append(c.pairs, "status", "2", "details", "test status message")
		for _, method := range []string{"Unary", "Bidi"} {
			_, _, err := c.run(method, []byte("x"))
			same(err, status.Error(codes.Unknown, "test status message"))
		}
	}},
	{"special_status_message", func(c calling) {
		message := "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
		c.pairs = append(c.pairs, "status", "2", "details-bin", message)
		_, _, err := c.run("Unary", []byte("x"))
		same(err, status.Error(codes.Unknown, message))
	}},
	{"unimplemented_method", func(c calling) {
		_, _, err := c.run("NoSuchMethod", []byte{})
		same(status.Code(err), codes.Unimplemented)
	}},
	{"cancel_after_begin", func(c calling) {
		stream, cancel := c.open("ClientStream")
		cancel()
		same(status.Code(stream.RecvMsg(new([]byte))), codes.Canceled)
	}},
	{"cancel_after_first_response", func(c calling) {
		stream, cancel := c.open("Bidi")
		request := make([]byte, 27182)
		check(stream.SendMsg(&request))
		check(stream.RecvMsg(new([]byte)))
		cancel()
		same(status.Code(stream.RecvMsg(new([]byte))), codes.Canceled)
	}},
	{"timeout_on_sleeping_server", func(c calling) {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		stream, err := c.channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, service+"Bidi")
		if err == nil {
			err = stream.RecvMsg(new([]byte))
		}
		same(status.Code(err), codes.DeadlineExceeded)
	}},
}

func call(address string) {
	channel := dial(address)
	for _, one := range cases {
		begun := time.Now()
		func() {
			defer func() {
				if problem := recover(); problem != nil {
					log.Fatalf("%s: %v", one.name, problem)
				}
			}()
			one.run(calling{channel: channel})
		}()
		fmt.Printf("ok %s (%d ms)\n", one.name, time.Since(begun).Milliseconds())
	}
	fmt.Printf("%d cases hold\n", len(cases))
}
