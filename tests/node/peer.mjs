// What a test service does, and calls of it, with grpc-js and messages of bare bytes.
import grpc from "@grpc/grpc-js";

const bytes = { serialize: (value) => value, deserialize: (value) => value };
const kinds = {
  Unary: [false, false],
  ServerStream: [false, true],
  ClientStream: [true, false],
  Bidi: [true, true],
};
const path = (method) => (method.startsWith("/") ? method : `/teal.test.TestService/${method}`);

export const definition = Object.fromEntries(
  Object.entries(kinds).map(([method, [requestStream, responseStream]]) => [
    method,
    {
      path: path(method),
      requestStream,
      responseStream,
      requestSerialize: bytes.serialize,
      requestDeserialize: bytes.deserialize,
      responseSerialize: bytes.serialize,
      responseDeserialize: bytes.deserialize,
    },
  ]),
);

export function connect(address) {
  return new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
}

/** All that a client can see of a call: of one of the service's methods, or of a unary one by its path. */
export function make(client, method, requests, pairs = [], options = {}) {
  const metadata = new grpc.Metadata();
  for (const [key, value] of pairs) metadata.add(key, value);
  const [requestStream, responseStream] = kinds[method] ?? kinds.Unary;
  const deadline = Date.now() + (options.timeout ?? 60_000);
  const seen = { messages: [] };
  return new Promise((resolve) => {
    const sorted = (from) => Object.entries(from.toHttp2Headers()).sort().map(([key, value]) => [key, value]);
    const args = [path(method), bytes.serialize, bytes.deserialize];
    if (!requestStream) args.push(requests[0]);
    args.push(metadata, { deadline });
    if (!responseStream) args.push((error, value) => !error && seen.messages.push(value));
    const name = { ServerStream: "makeServerStreamRequest", ClientStream: "makeClientStreamRequest",
      Bidi: "makeBidiStreamRequest" }[method] ?? "makeUnaryRequest";
    const call = client[name](...args);
    call.on("metadata", (initial) => (seen.initial = sorted(initial)));
    if (responseStream) {
      call.on("data", (message) => {
        seen.messages.push(message);
        if (options.cancel) call.cancel();
      });
      call.on("error", () => {});
    }
    call.on("status", (status) => {
      Object.assign(seen, { code: status.code, details: status.details, trailing: sorted(status.metadata) });
      // The callback of a call with one answer comes after this.
      setImmediate(() => resolve({ ...seen, messages: seen.messages.map((message) => message.toString("base64")) }));
    });
    if (requestStream) {
      for (const request of requests) call.write(request);
      if (!options.cancel) call.end();
    }
  });
}
