/** What a task keeps, skips and waits for. A wait that is not over ends the attempt; the task runs again from its top. */

import { createHash } from "node:crypto";

import { segment } from "./asking.js";
import { NotFoundError, RefusedError, WaitTimedOut } from "./errors.js";
import { decode, encode } from "./json.js";
import { ask, seconds, tell } from "./wire.js";

export const state = {
  async get(key, { wait, ...rest } = {}) {
    try {
      return decode((await ask("GET", `/v1/state/${segment(key)}`, undefined, wait)).value);
    } catch (problem) {
      if (problem instanceof NotFoundError) return rest.default ?? null;
      throw problem;
    }
  },
  async set(key, value, { expiresAfter } = {}) {
    const limit = expiresAfter === undefined ? "" : `,"expires_after_s":${seconds(expiresAfter)}`;
    await tell("PUT", `/v1/state/${segment(key)}`, `{"value":${encode(value, `state ${JSON.stringify(key)}`)}${limit}}`);
  },
  async delete(key) {
    await tell("DELETE", `/v1/state/${segment(key)}`);
  },
  async clear() {
    await tell("DELETE", "/v1/state");
  },
  async keys(prefix = "", { wait } = {}) {
    return (await ask("GET", `/v1/state?prefix=${encodeURIComponent(prefix)}`, undefined, wait)).keys;
  },
};

/** Skip tasks that depend directly on this one, if this one succeeds. */
export async function skipDownstream(...tasks) {
  await tell("POST", "/v1/skip-downstream", encode({ tasks }, "skipDownstream"));
}

/** Not yet: start the task again, `after` a while or `at` a Date. */
export class Reschedule extends Error {
  constructor(message = "", { after, at } = {}) {
    super(message);
    this.name = "Reschedule";
    if ((after === undefined) === (at === undefined)) throw new RefusedError("Reschedule needs one of after and at");
    this.ending = {
      kind: "rescheduled",
      message: message || null,
      again_after_s: after === undefined ? null : seconds(after),
      again_at: at === undefined ? null : at.toISOString(),
    };
  }
}

/** Thrown while the task waits; let it pass. */
export class Deferred extends Error {
  constructor(wait) {
    super("the task waits; it is started again, from its top, when that is over");
    this.name = "Deferred";
    this.ending = { kind: "deferred", wait };
  }
}

const calls = new Map();

async function waited(wait, subject, { key, timeout }, what) {
  const number = (calls.get(subject) ?? 0) + 1;
  if (key === undefined) calls.set(subject, number);
  const name = key ?? `${subject.slice(0, 200)}:${number}`;
  const settled = (await ask("GET", "/v1/context")).waits?.[name];
  if (!settled) throw new Deferred({ ...wait, key: name, timeout_s: timeout === undefined ? null : seconds(timeout) });
  if (settled.verdict === "timed_out") throw new WaitTimedOut(`${what}: nothing came for ${name} in time`);
  if (settled.verdict !== "came") throw new RefusedError(`${what}: ${settled.message ?? "it can never happen"}`);
  return settled;
}

/** Wait for one thing without a slot: `until`, `after`, `run` (and `states`) or `event`. */
export async function defer({ until, after, run, states = [], event, ...how } = {}) {
  if ([until, after, run, event].filter((each) => each !== undefined).length !== 1) {
    throw new RefusedError("defer waits for one thing: until, after, run or event");
  }
  let [subject, wait] = ["time", { kind: "time" }];
  if (until !== undefined) wait.at = until.toISOString();
  else if (after !== undefined) wait.after_s = seconds(after);
  else if (run !== undefined) [subject, wait] = [`run:${run}`, { kind: "run", run, states }];
  else [subject, wait] = [`event:${event}`, { kind: "event", event }];
  return decode((await waited(wait, subject, how, "defer")).value);
}

/** Ask people, and wait for their answer without a slot. */
export async function awaitInput(question, options = {}) {
  const { options: choices = [], params = {}, multiple = false, assignedTo = [], body = "", default: rest, ...how } = options;
  const needed = choices.length || Object.keys(params).length ? choices : ["ok"];
  const asked = { question, body, options: needed, multiple, params, assigned_to: assignedTo };
  const wait = { kind: "question", question: asked };
  if (typeof rest === "string") wait.default = { chosen: [rest] };
  else if (Array.isArray(rest)) wait.default = { chosen: rest };
  else if (rest !== undefined) wait.default = { params: rest };
  const digest = createHash("sha256").update(question).digest("hex").slice(0, 16);
  const { value, by, at } = await waited(wait, `input:${digest}`, how, "awaitInput");
  const chosen = value.chosen ?? [];
  return { chosen: multiple ? chosen : (chosen[0] ?? null), params: decode(value.params ?? {}), by: by ?? null, at: new Date(at) };
}
