// The same calls directly and through teal, by grpc-js: `node comparing.mjs TEAL SERVICE`.
import assert from "node:assert/strict";
import { connect, make } from "./peer.mjs";

const [proxied, direct] = process.argv.slice(2).map(connect);

async function both(method, requests, pairs, options) {
  const [expected, seen] = await Promise.all([direct, proxied].map((way) => make(way, method, requests, pairs, options)));
  assert.deepEqual(seen, expected, `${method} ${JSON.stringify(pairs)}`);
  return expected;
}

for (const method of ["Unary", "ServerStream", "ClientStream", "Bidi"]) {
  for (const size of [0, 1, 16_384, 100_000, 4 << 20]) {
    const seen = await both(method, [Buffer.alloc(size, 7)], []);
    assert.equal(seen.code, 0);
  }
  for (const compress of ["gzip", "deflate"]) {
    assert.equal((await both(method, [Buffer.alloc(10_000)], [["compress", compress]])).code, 0);
  }
  for (const code of [1, 2, 5, 7, 12, 13, 14, 16]) {
    const seen = await both(method, [Buffer.from("x")], [["status", `${code}`], ["details", "50 % of it"]]);
    assert.deepEqual([seen.code, seen.details], [code, "50 % of it"]);
  }
  const every = Buffer.from([...Array(256).keys()]);
  const pairs = [["echo-bin", every], ["echo-twice", "1"], ["echo-twice", "2"], ["trailer-bin", every], ["trailer-a", "b"]];
  const seen = await both(method, [Buffer.from("x")], pairs);
  assert.equal(seen.trailing.find(([key]) => key === "trailer-a")[1][0], "b");
}
for (const [method, pairs] of [["Unary", [["pause", "5000"]]], ["ServerStream", [["pause", "5000"]]]]) {
  assert.equal((await make(proxied, method, [Buffer.alloc(1)], pairs, { timeout: 300 })).code, 4);
}
const cancelled = await make(proxied, "Bidi", [Buffer.from("x")], [], { cancel: true });
assert.deepEqual([cancelled.code, cancelled.messages.length], [1, 1]);
proxied.close();
direct.close();
