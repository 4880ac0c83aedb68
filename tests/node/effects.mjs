// What grpc-js sees of each fault: `node effects.mjs ADDRESS DEADLINE`, with `RULE\tMETHOD\tREQUEST` (hex) in each line of the input.
import { createInterface } from "node:readline";
import grpc from "@grpc/grpc-js";

const [address, milliseconds] = process.argv.slice(2);
const bytes = (message) => message;

function call(rule, method, message) {
  // A channel of its own: a connection that one rule ends is no matter to the next.
  const options = { "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 };
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), options);
  const metadata = new grpc.Metadata();
  metadata.set("authorization", "Bearer someone");
  metadata.set("strategy", "blue");
  if (rule) metadata.set("teal-fault", rule);
  const path = `/QueryEngineService/${method}`;
  const deadline = Date.now() + Number(milliseconds);
  return new Promise((resolve) => {
    const done = (error, answer) => {
      client.close();
      const code = error ? grpc.status[error.code] : "OK";
      resolve({ code, text: error ? error.details : "", bytes: answer ? answer.length : 0 });
    };
    client.makeUnaryRequest(path, bytes, bytes, Buffer.from(message, "hex"), metadata, { deadline }, done);
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await call(...line.split("\t"))));
}
