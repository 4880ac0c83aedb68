// What grpc-js sees of each fault: `ADDRESS\tRULE\tMETHOD\tDEADLINE\tREQUEST` (ms, hex) in each line of the input.
import { createInterface } from "node:readline";
import grpc from "@grpc/grpc-js";

const bytes = (message) => message;

function call(address, rule, method, milliseconds, message) {
  // A channel of its own: a connection that one rule ends is no matter to the next.
  const options = { "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 };
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), options);
  const metadata = new grpc.Metadata();
  metadata.set("authorization", "Bearer someone");
  metadata.set("strategy", "blue");
  if (rule) metadata.set("teal-fault", rule);
  const path = `/QueryEngineService/${method}`;
  const begun = performance.now();
  const deadline = Date.now() + Number(milliseconds);
  return new Promise((resolve) => {
    let fault = null;
    const done = (error, answer) => {
      client.close();
      resolve({
        code: error ? grpc.status[error.code] : "OK",
        text: error ? error.details : "",
        message: answer ? answer.toString("hex") : "",
        fault: fault ?? error?.metadata.get("teal-fault")[0] ?? null,
        millis: Math.floor(performance.now() - begun),
      });
    };
    const request = Buffer.from(message, "hex");
    const made = client.makeUnaryRequest(path, bytes, bytes, request, metadata, { deadline }, done);
    made.on("metadata", (initial) => (fault = initial.get("teal-fault")[0] ?? null));
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await call(...line.split("\t"))));
}
