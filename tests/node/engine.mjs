// An engine by grpc-js, and more calls of it through teal than one connection may go wrong with:
// `node engine.mjs serve` says `serving PORT`, `node engine.mjs call TEAL` calls.
import assert from "node:assert/strict";
import grpc from "@grpc/grpc-js";
import { connect, definition, make } from "./peer.mjs";

if (process.argv[2] === "serve") {
  const server = new grpc.Server();
  server.addService(definition, {
    Unary: (call, done) => done(null, call.request),
    ServerStream: (call) => {
      call.write(call.request);
      call.end();
    },
    ClientStream: (call, done) => {
      let size = 0;
      call.on("data", (message) => (size += message.length));
      call.on("end", () => done(null, Buffer.from(`${size}`)));
    },
    Bidi: (call) => {
      call.on("data", (message) => call.write(message));
      call.on("end", () => call.end());
    },
  });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    assert.ifError(error);
    console.log(`serving ${port}`);
  });
  process.stdin.resume().on("end", () => process.exit(0));
} else {
  const client = connect(process.argv[3]);
  for (let round = 0; round < 150; round++) {
    const calls = ["Unary", "ServerStream", "ClientStream", "Bidi"].map((method) => make(client, method, [Buffer.from("x")]));
    for (const seen of await Promise.all(calls)) assert.deepEqual([seen.code, seen.messages.length], [0, 1], seen.details);
  }
  client.close();
}
