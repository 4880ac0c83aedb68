package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Codes as everybody else writes them.
var names = map[codes.Code]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.InvalidArgument: "INVALID_ARGUMENT",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.OutOfRange: "OUT_OF_RANGE",
	codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
	codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
}

type seen struct {
	Code    string  `json:"code"`
	Text    string  `json:"text"`
	Message string  `json:"message"`
	Fault   *string `json:"fault"`
	Millis  int64   `json:"millis"`
}

// One call on a channel of its own: a connection that one rule ends is no matter to the next.
func see(address, rule, method, deadline, message string) seen {
	channel, err := grpc.Dial(address, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bare{})))
	check(err)
	defer channel.Close()
	milliseconds, err := strconv.Atoi(deadline)
	check(err)
	request, err := hex.DecodeString(message)
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(milliseconds)*time.Millisecond)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer someone", "strategy", "blue")
	if rule != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "teal-fault", rule)
	}
	var front, behind metadata.MD
	var answer []byte
	begun := time.Now()
	err = channel.Invoke(ctx, "/QueryEngineService/"+method, &request, &answer, grpc.Header(&front), grpc.Trailer(&behind))
	found := seen{Millis: time.Since(begun).Milliseconds()}
	found.Code, found.Text = names[status.Code(err)], status.Convert(err).Message()
	if err == nil {
		found.Message = hex.EncodeToString(answer)
	}
	if fault := append(front.Get("teal-fault"), behind.Get("teal-fault")...); len(fault) > 0 {
		found.Fault = &fault[0]
	}
	return found
}

// `ADDRESS\tRULE\tMETHOD\tDEADLINE\tREQUEST` (ms, hex) in each line of the input.
func effects() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		check(output.Encode(see(fields[0], fields[1], fields[2], fields[3], fields[4])))
	}
	check(lines.Err())
}
