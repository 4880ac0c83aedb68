// What a rejected request gets, frame by frame: `node rejected.mjs ADDRESS both|http|grpc`.
import assert from "node:assert/strict";
import http2 from "node:http2";

const [address, mismatch] = process.argv.slice(2);
const session = http2.connect(`http://${address}`);

function call(strategy) {
  return new Promise((resolve, reject) => {
    const request = session.request({
      ":method": "POST",
      ":path": "/QueryEngineService/healthCheck",
      "content-type": "application/grpc",
      te: "trailers",
      strategy,
    });
    const answer = { body: Buffer.alloc(0) };
    request.on("response", (headers, flags) => {
      answer.headers = headers;
      answer.ended = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    });
    request.on("trailers", (trailers) => (answer.trailers = trailers));
    request.on("data", (data) => (answer.body = Buffer.concat([answer.body, data])));
    request.on("error", reject);
    request.on("end", () => resolve(answer));
    request.end(Buffer.alloc(5));
  });
}

const expected = {
  both: { ":status": 456, "content-type": "application/grpc", "grpc-status": "2", "grpc-message": "status: 456" },
  http: { ":status": 456, "content-type": "text/plain" },
  grpc: { ":status": 200, "content-type": "application/grpc", "grpc-status": "2", "grpc-message": "status: 456" },
}[mismatch];

for (const [strategy, received] of [["green", "green"], ["red", "red"], ["GREEN ", "GREEN"]]) {
  const answer = await call(strategy);
  for (const [name, value] of Object.entries(expected)) {
    if (name === "content-type" && mismatch === "http") assert.match(answer.headers[name], /^text\/plain/);
    else assert.equal(String(answer.headers[name]), String(value), `${name} of ${strategy}`);
  }
  assert.equal(answer.headers["expected-strategy"], "blue");
  assert.equal(answer.headers["received-strategy"].toLowerCase().trim(), received.toLowerCase());
  if (mismatch === "http") {
    assert.ok(answer.body.length > 10, "a sentence");
    assert.equal(answer.headers["grpc-status"], undefined);
  } else {
    assert.ok(answer.ended, "one HEADERS frame with END_STREAM");
    assert.equal(answer.body.length, 0);
    assert.equal(answer.trailers, undefined);
  }
}
for (const strategy of ["blue", " Blue", "blue,green", ""]) {
  const answer = await call(strategy);
  assert.equal(answer.headers[":status"], 200, strategy);
  assert.equal(answer.trailers["grpc-status"], "0", strategy);
}
session.close();
