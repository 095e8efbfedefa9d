import assert from "node:assert/strict";
import http from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { after, before, beforeEach, test } from "node:test";

import { Connection, Variable, context, errors, heartbeat, log, mask, metrics, result, xcom } from "../index.js";
import { decode, encode } from "../src/json.js";
import { parse } from "../src/parsing.js";
import { seconds } from "../src/wire.js";

const folder = mkdtempSync(join(tmpdir(), "leasehold-"));
const path = join(folder, "task s%ck.sock");
let asked = [];
let answer;

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    asked.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() });
    answer(request, response);
  });
});
const says = (status, body) => (_, response) => {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
};

before(() => new Promise((done) => server.listen(path, done)));
beforeEach(() => {
  asked = [];
  answer = says(204);
  process.env.LEASEHOLD_TASK_URL = `http+unix://${encodeURIComponent(path)}`;
  process.env.LEASEHOLD_TASK_SECRET = "one-attempt-only";
});
after(() => {
  server.close();
  server.closeAllConnections?.();
  rmSync(folder, { recursive: true });
});

test("a request carries the secret, the protocol's version and how long it may wait", async () => {
  answer = says(200, { key: "a/b", value: 1 });
  assert.equal(await Variable.get("a/b", { wait: "1m30s" }), 1);
  assert.equal(asked[0].url, "/v1/variables/a%2Fb");
  assert.equal(asked[0].headers.authorization, "Bearer one-attempt-only");
  assert.equal(asked[0].headers["leasehold-task-protocol"], "1");
  assert.equal(asked[0].headers["leasehold-wait"], "90");
});

test("a problem becomes the error that says what to do", async () => {
  answer = says(403, { code: "not_granted", detail: "an admin can grant it" });
  await assert.rejects(Connection.get("erp"), (problem) => {
    return problem instanceof errors.NotGrantedError && problem.code === "not_granted" && /admin/.test(problem.message);
  });
  answer = says(426, { code: "version_unsupported", detail: "update the agent" });
  await assert.rejects(context(), (problem) => problem instanceof errors.RefusedError && /update/.test(problem.message));
});

test("a default is for what is not there, and for nothing else", async () => {
  answer = says(404, { code: "not_found" });
  assert.equal(await Variable.get("limit", { default: undefined }), undefined);
  await assert.rejects(Variable.get("limit"), errors.NotFoundError);
  answer = says(403, { code: "not_declared" });
  await assert.rejects(Variable.get("limit", { default: 1 }), errors.UndeclaredError);
});

test("a kept connection that the host closed is replaced, without a word", async () => {
  let broken = 0;
  answer = (request, response) => {
    if (request.socket.isOld) {
      broken += 1;
      return request.socket.destroy();
    }
    request.socket.isOld = true;
    return says(204)(request, response);
  };
  for (let n = 0; n < 4; n += 1) await heartbeat(0.2, "still here");
  assert.ok(broken > 0);
  assert.equal(asked.at(-1).body, '{"progress":0.2,"note":"still here"}');
});

test("without a host, reads say so and the log is printed", async () => {
  process.env.LEASEHOLD_TASK_URL = `http+unix://${encodeURIComponent(join(folder, "gone.sock"))}`;
  await assert.rejects(Connection.get("erp"), (problem) => {
    return problem instanceof errors.UnavailableError && /can't be reached/.test(problem.message);
  });
  await log.info("still heard");
  delete process.env.LEASEHOLD_TASK_URL;
  await assert.rejects(result(1), /no task is running here/);
});

test("printing a connection shows no secret", async () => {
  answer = says(200, { id: "erp", conn_type: "http", host: "erp.lan", password: "open sesame", extra: { key: "hidden" } });
  const found = await Connection.get("erp");
  assert.equal(found.password, "open sesame");
  assert.doesNotMatch(inspect(found) + JSON.stringify(found), /sesame|hidden/);
});

test("values travel and come back as what they were", () => {
  const value = {
    at: new Date("2026-11-22T06:00:00.500Z"),
    raw: new Uint8Array([0, 255]),
    names: new Set(["a", "b"]),
    big: 2n ** 64n - 1n,
    small: [1, 1.5, -0.25, null, true, "grüße 🙂 \" \\ 12345678901234567890"],
    $type: "mine",
    left: undefined,
  };
  const { left, ...kept } = value;
  const back = decode(parse(encode(value, "result")));
  assert.deepEqual({ ...back, raw: new Uint8Array(back.raw) }, kept);
  assert.equal(parse('[9007199254740993, "9007199254740993", 1e22]')[0], 9007199254740993n);
});

test("values that can't travel are named with their place and the cure", () => {
  const circle = [];
  circle.push(circle);
  let deep = [];
  for (let n = 0; n < 5000; n += 1) deep = [deep];
  const cases = [
    [{ rows: [1, NaN] }, /^result\["rows"\]\[1\] is NaN, which JSON doesn't have/],
    [Infinity, /is Infinity/],
    [2n ** 64n, /more than 64 bits: send it as text/],
    [[undefined], /^result\[0\] is undefined/],
    [() => 1, /is function/],
    [circle, /contains itself/],
    [deep, /nested too deeply/],
    ["\ud800", /half a character/],
    [new Date(NaN), /without a time/],
    [new Map([[1, 2]]), /text keys only/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => encode(value, "result"), (problem) => problem instanceof errors.RefusedError && message.test(problem.message));
  }
});

test("durations are seconds or text", () => {
  assert.deepEqual([seconds(1.5), seconds("10m"), seconds("1h30m"), seconds("250ms")], [1.5, 600, 5400, 0.25]);
  for (const wrong of ["soon", "", -1, NaN, null, "10"]) assert.throws(() => seconds(wrong), errors.RefusedError);
});

test("what is told arrives in the protocol's form", async () => {
  await metrics.count("rows", 2, { plant: 7 });
  await mask("open sesame");
  await mask("");
  await log.warning("hot \ud800", { n: 1n, odd: NaN, none: undefined });
  await xcom.push("late", [1]);
  assert.deepEqual(asked.map((one) => JSON.parse(one.body)), [
    { name: "rows", kind: "counter", value: 2, tags: { plant: "7" } },
    { value: "open sesame" },
    { level: "warning", message: "hot \ufffd", fields: { n: 1, odd: "NaN", none: null } },
    { value: [1] },
  ]);
  await assert.rejects(metrics.gauge("level", NaN), /finite number/);
});
