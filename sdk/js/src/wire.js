/** HTTP/1.1 with JSON to the attempt host, over its Unix socket or loopback. */

import http from "node:http";

import { RefusedError, UnavailableError, fromAnswer } from "./errors.js";
import { parse } from "./parsing.js";

const TASK_PROTOCOL = "1";
const MOST_AT_ONCE = 32;
const WRITE_TIMEOUT_S = 60;
const READ_WAIT_S = 120;
const GRACE_S = 15;

// A pool of kept connections: a thousand calls at once wait for their turn here and don't overrun the host.
const pool = new http.Agent({ keepAlive: true, maxSockets: MOST_AT_ONCE });

/** Ask for something that only the API may be able to answer; `wait` says how long (seconds, or text like "10m"). */
export function ask(method, path, body, wait) {
  const waitS = wait === undefined ? READ_WAIT_S : seconds(wait);
  return call(method, path, body, { "Leasehold-Wait": String(waitS) }, waitS + GRACE_S);
}

/** Tell something; once this is done, the host has it on disk. `body` is JSON text. */
export async function tell(method, path, body) {
  await call(method, path, body, {}, WRITE_TIMEOUT_S);
}

/** Return a duration in seconds: a number, or text like "30s", "10m", "1h30m" or "2d". */
export function seconds(duration) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  const forms = 'write seconds as a number, or text like "30s", "10m", "1h30m" or "2d"';
  let length = duration;
  if (typeof duration === "string") {
    if (!/^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*)+$/.test(duration)) {
      throw new RefusedError(`${JSON.stringify(duration)} is not a duration: ${forms}`);
    }
    const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)/g)];
    length = parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit], 0);
  }
  if (typeof length !== "number" || !Number.isFinite(length) || length < 0) {
    throw new RefusedError(`${String(duration)} is not a duration from now on: ${forms}`);
  }
  return length;
}

/** Send a stream of `size` bytes from the disk; `shorter` is said when it ends before. */
export async function upload(path, content, size, shorter) {
  const headers = { ...credentials(), "Content-Type": "application/octet-stream", "Content-Length": size };
  const expecting = size > 0 ? { Expect: "100-continue" } : {};
  const all = { ...headers, ...expecting };
  return new Promise((resolve, reject) => {
    const request = http.request({ ...address(), method: "PUT", path, headers: all, agent: false });
    let sent = 0;
    content.on("error", (problem) => request.destroy(new RefusedError(problem.message)));
    content.on("end", () => sent < size && request.destroy(new RefusedError(shorter)));
    request.on("response", async (response) => {
      try {
        const found = parsed(await textOf(response));
        if (response.statusCode >= 400) throw fromAnswer(`PUT ${path}`, response.statusCode, found);
        resolve(found);
      } catch (problem) {
        reject(problem);
      } finally {
        content.destroy();
      }
    });
    request.on("error", (problem) => {
      content.destroy();
      const known = problem instanceof RefusedError;
      reject(known ? problem : new UnavailableError(`PUT ${path}: the attempt host can't be reached (${problem.message})`));
    });
    if (size > 0) {
      request.on("continue", () => {
        // Counted only from here: a stream with a listener for its data flows, whether or not anybody sends it on.
        content.on("data", (piece) => (sent += piece.length));
        content.pipe(request);
      });
      request.flushHeaders();
    } else {
      request.end();
    }
  });
}

/** Return the stream of an answer's body. The host gives up by itself when nothing arrives any more. */
export function download(path) {
  const headers = { ...credentials(), "Leasehold-Wait": String(READ_WAIT_S) };
  return new Promise((resolve, reject) => {
    const request = http.request({ ...address(), method: "GET", path, headers, agent: false }, async (response) => {
      if (response.statusCode === 200) return resolve(response);
      const found = parsed(await textOf(response));
      return reject(fromAnswer(`GET ${path}`, response.statusCode, found));
    });
    request.on("error", (problem) => reject(new UnavailableError(`GET ${path}: ${problem.message}`)));
    request.end();
  });
}

async function textOf(response) {
  const parts = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

function credentials() {
  const secret = process.env.LEASEHOLD_TASK_SECRET ?? "";
  return { Authorization: `Bearer ${secret}`, "Leasehold-Task-Protocol": TASK_PROTOCOL };
}

async function call(method, path, body, headers, timeoutS) {
  const what = `${method} ${path}`;
  let answer;
  try {
    answer = await exchange(method, path, body, headers, timeoutS);
  } catch (problem) {
    if (problem instanceof RefusedError || problem instanceof UnavailableError) throw problem;
    throw new UnavailableError(`${what}: the attempt host can't be reached (${problem.message})`);
  }
  const found = parsed(answer.text);
  if (answer.status >= 400) throw fromAnswer(what, answer.status, found);
  return found;
}

async function exchange(method, path, body, headers, timeoutS) {
  for (;;) {
    try {
      return await once(method, path, body, headers, timeoutS);
    } catch (problem) {
      // The host closed a connection that had been idle: nothing of this request was read, another one decides.
      if (!problem.onKeptConnection) throw problem;
    }
  }
}

function once(method, path, body, headers, timeoutS) {
  const where = address();
  const sent = body === undefined ? undefined : Buffer.from(body, "utf8");
  const all = { ...credentials(), ...headers };
  if (sent !== undefined) all["Content-Type"] = "application/json";
  if (sent !== undefined || method !== "GET") all["Content-Length"] = sent?.length ?? 0;
  return new Promise((resolve, reject) => {
    const request = http.request({ ...where, method, path, headers: all, agent: pool });
    let answered = false;
    request.on("response", (response) => {
      answered = true;
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(parts).toString("utf8") }));
      response.on("error", reject);
    });
    request.on("error", (problem) => {
      const broken = problem.code === "ECONNRESET" || problem.code === "EPIPE";
      problem.onKeptConnection = request.reusedSocket && broken && !answered;
      reject(problem);
    });
    // Counted from when the request has a connection: calls that wait for their turn are not late.
    request.on("socket", (socket) => {
      const late = () => request.destroy(new UnavailableError(`${method} ${path}: no answer within ${timeoutS} s`));
      const timer = setTimeout(late, timeoutS * 1000);
      request.on("close", () => clearTimeout(timer));
      socket.ref();
    });
    request.end(sent);
  });
}

function address() {
  const url = process.env.LEASEHOLD_TASK_URL;
  if (!url) throw new RefusedError("no task is running here: LEASEHOLD_TASK_URL is set where the agent runs one");
  const unix = /^http\+unix:\/\/([^/]+)\/*$/.exec(url);
  if (unix) return { socketPath: decodeURIComponent(unix[1]), host: "task" };
  const loopback = /^http:\/\/(.+):(\d+)\/*$/.exec(url);
  if (loopback) return { host: loopback[1].replace(/^\[|\]$/g, ""), port: Number(loopback[2]) };
  throw new RefusedError("LEASEHOLD_TASK_URL must be http+unix://<path> or http://<host>:<port>");
}

function parsed(text) {
  if (text === "") return undefined;
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
