// Calls directly and through teal, where a notice is due: `node appending.mjs TEAL ENGINE FIELD`.
// Each line of the input is `NUMBER\tSEEN\tNAME`, as `appending.py` has it.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { connect, make } from "./peer.mjs";

const [teal, engine] = process.argv.slice(2, 4).map(connect);
const field = Buffer.from(process.argv[4], "hex");

/** All that is seen of a call, and what it was told of a switch. */
async function seen(client, number, strategy = "blue") {
  const pairs = [["case", number], ["strategy", strategy]];
  const found = await make(client, "/QueryEngineService/getSchemaNames", [Buffer.alloc(0)], pairs, { timeout: 100_000 });
  const told = [];
  for (const metadata of ["initial", "trailing"]) {
    const [notices, rest] = [true, false].map((is) => found[metadata]?.filter(([key]) => (key === "new-strategy") === is));
    told.push(...(notices ?? []).flatMap(([, value]) => value));
    found[metadata] = rest;
  }
  return [found, told];
}

let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const [number, expected, name] = line.split("\t");
  count += 1;
  if (expected === "refused") {
    const [found] = await seen(teal, number, "purple");
    assert.deepEqual([found.code, found.details], [2, "status: 456"], name);
    continue;
  }
  const [[directly], [found, told]] = [await seen(engine, number), await seen(teal, number)];
  if (expected === "appended") {
    assert.deepEqual([directly.code, told], [0, ["green"]], `${name}: ${directly.details}`);
    directly.initial = directly.initial.filter(([key]) => key !== "content-length");
    directly.messages = directly.messages.map((message) => Buffer.concat([Buffer.from(message, "base64"), field]).toString("base64"));
  }
  assert.ok(JSON.stringify(found) === JSON.stringify(directly), `${name}: ${summary(found)} instead of ${summary(directly)}`);
}
assert.ok(count > 0);
console.log(`${count} answers were seen`);
teal.close();
engine.close();

function summary(found) {
  return JSON.stringify(found).slice(0, 1000);
}
