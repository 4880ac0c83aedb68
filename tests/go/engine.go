package main

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Echoes what the call's metadata ask for: `echo-*` in front, `trailer-*` behind; and its status, at the end.
func told(stream grpc.ServerStream) (error, error) {
	pairs, _ := metadata.FromIncomingContext(stream.Context())
	front, behind := metadata.MD{}, metadata.MD{}
	for key, values := range pairs {
		switch {
		case strings.HasPrefix(key, "echo-"):
			front.Append(key, values...)
		case strings.HasPrefix(key, "trailer-"):
			behind.Append(key, values...)
		}
	}
	stream.SetTrailer(behind)
	var end error
	if code := pairs.Get("status"); len(code) > 0 {
		number, _ := strconv.Atoi(code[0])
		end = status.Error(codes.Code(number), strings.Join(append(pairs.Get("details"), pairs.Get("details-bin")...), ""))
	}
	return end, stream.SendHeader(front)
}

// Every method at once: what is asked comes back, message by message; ClientStream answers the sum of the sizes.
func handle(method string, stream grpc.ServerStream) error {
	end, err := told(stream)
	total := 0
	for err == nil {
		var message []byte
		if err = stream.RecvMsg(&message); err != nil {
			break
		}
		total += len(message)
		if method == "ClientStream" {
			continue
		}
		times := 1
		if method == "ServerStream" {
			times = 3
		}
		for ; times > 0 && err == nil; times-- {
			err = stream.SendMsg(&message)
		}
	}
	if err != io.EOF {
		return err
	}
	if method == "ClientStream" && end == nil {
		sum := []byte(strconv.Itoa(total))
		return stream.SendMsg(&sum)
	}
	return end
}

func serve() {
	description := grpc.ServiceDesc{ServiceName: "teal.test.TestService", HandlerType: (*interface{})(nil)}
	for _, method := range []string{"Unary", "ServerStream", "ClientStream", "Bidi"} {
		method := method
		description.Streams = append(description.Streams, grpc.StreamDesc{
			StreamName:    method,
			ServerStreams: true,
			ClientStreams: true,
			Handler:       func(_ interface{}, stream grpc.ServerStream) error { return handle(method, stream) },
		})
	}
	server := grpc.NewServer(grpc.CustomCodec(serverCodec{}))
	server.RegisterService(&description, struct{}{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("serving", listener.Addr().(*net.TCPAddr).Port)
	check(server.Serve(listener))
}

// What grpc-go wants of the codec of a whole server.
type serverCodec struct{ bare }

func (serverCodec) String() string { return "bare" }
