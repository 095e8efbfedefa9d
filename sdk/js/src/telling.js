/** What a task tells: its result, signs of life, metrics, its log, what must not be in it. */

import { LeaseholdError, RefusedError } from "./errors.js";
import { pushFiles } from "./files.js";
import { encode, plain } from "./json.js";
import { seconds, tell } from "./wire.js";

/** Set the task's result; the last one counts. */
export async function result(value) {
  await pushFiles(value, "result");
  await tell("PUT", "/v1/result", `{"value":${encode(value, "result")}}`);
}

/** Say how far the task is: progress from 0 to 1, and one line of text. */
export async function heartbeat(progress = null, note = null) {
  await tell("POST", "/v1/heartbeat", encode({ progress, note: note?.slice(0, 500) ?? null }, "heartbeat"));
}

/** Say what people shall call this task instance: one line of text. */
export async function setLabel(label) {
  await tell("POST", "/v1/label", encode({ label }, "label"));
}

/** Keep `text` out of the log from now on. */
export async function mask(text) {
  if (typeof text !== "string") throw new RefusedError("mask takes a text");
  if (text !== "") await tell("POST", "/v1/mask", encode({ value: text }, "mask"));
}

async function metric(name, kind, value, tags) {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new RefusedError(`the metric ${JSON.stringify(name)} is ${String(value)}: a measurement is a finite number`);
  }
  const labels = Object.fromEntries(Object.entries(tags).map(([tag, label]) => [tag, String(label)]));
  await tell("POST", "/v1/metrics", encode({ name, kind, value, tags: labels }, "metric"));
}

export const metrics = {
  count: (name, increment = 1, tags = {}) => metric(name, "counter", increment, tags),
  gauge: (name, value, tags = {}) => metric(name, "gauge", value, tags),
  timing: async (name, duration, tags = {}) => metric(name, "timing", seconds(duration), tags),
};

// A log that can't be written must not end the task: standard error is the log as well.
async function record(level, message, fields = {}) {
  const data = Object.entries(fields).map(([name, value]) => `${JSON.stringify(name)}:${plain(value ?? null, name)}`);
  const shown = Buffer.from(String(message), "utf8").toString("utf8"); // half characters become marks
  try {
    await tell("POST", "/v1/log", `{"level":"${level}","message":${JSON.stringify(shown)},"fields":{${data.join(",")}}}`);
  } catch (problem) {
    if (!(problem instanceof LeaseholdError)) throw problem;
    process.stderr.write(`${level.toUpperCase()} ${shown} ${data.join(" ")}\n`);
  }
}

export const log = {
  debug: (message, fields) => record("debug", message, fields),
  info: (message, fields) => record("info", message, fields),
  warning: (message, fields) => record("warning", message, fields),
  error: (message, fields) => record("error", message, fields),
  critical: (message, fields) => record("critical", message, fields),
};
