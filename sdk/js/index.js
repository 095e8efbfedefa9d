/** The Leasehold Task SDK for Node: what a running task may ask and tell. index.d.ts describes each name. */

export { run } from "./src/endings.js";
export { Fail, Retry, Skip } from "./src/endings.js";
export * as errors from "./src/errors.js";
export { Connection, Variable, context, idToken, xcom } from "./src/asking.js";
export { File } from "./src/files.js";
export { Reschedule, awaitInput, defer, skipDownstream, state } from "./src/waiting.js";
export { runs } from "./src/runs.js";
export { assets } from "./src/assets.js";
export { heartbeat, log, mask, metrics, result, setLabel } from "./src/telling.js";
