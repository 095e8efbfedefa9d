/** How a task says that it did not simply succeed: throw one of these from what `run` was given. */

import { encode } from "./json.js";
import { log, result } from "./telling.js";
import { Deferred, Reschedule } from "./waiting.js";
import { seconds, tell } from "./wire.js";

class Ending extends Error {
  constructor(message = "") {
    super(message);
    this.name = new.target.name;
  }
}

/** Nothing to do: the task is skipped. */
export class Skip extends Ending {}

/** The task failed and trying again is no use: its retries are not spent. */
export class Fail extends Ending {}

/** Try the task again, `after` a while (seconds, or text like "10m"; the task's own delay if left out). */
export class Retry extends Ending {
  constructor(message = "", { after } = {}) {
    super(message);
    this.afterS = after === undefined ? null : seconds(after);
  }
}

/** Do the task's work: what `work` returns is the result, what it throws is how the task ended. */
export async function run(work) {
  try {
    const value = await work();
    if (value !== undefined && value !== null) await result(value);
  } catch (problem) {
    process.exitCode = [Skip, Reschedule, Deferred].some((kind) => problem instanceof kind) ? 0 : 1;
    await report(problem);
  }
}

async function report(problem) {
  if (problem instanceof Reschedule || problem instanceof Deferred) {
    return tell("PUT", "/v1/ending", encode(problem.ending, "ending"));
  }
  if (problem instanceof Skip) return say("skipped", problem.message);
  if (problem instanceof Retry) return say("retry", problem.message, problem.afterS);
  if (problem instanceof Fail) return say("failed_for_good", problem.message || "the task threw Fail");
  const shown = problem instanceof Error ? problem : new Error(String(problem));
  await log.error(shown.stack ?? shown.message);
  return say("failed", `${shown.name}: ${shown.message}`.split("\n")[0]);
}

function say(kind, message, afterS = null) {
  const text = Buffer.from(message, "utf8").toString("utf8").slice(0, 4000);
  return tell("PUT", "/v1/ending", encode({ kind, message: text || null, retry_after_s: afterS }, "ending"));
}
