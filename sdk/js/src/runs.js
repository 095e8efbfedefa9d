/** Runs: what became of earlier ones, how the tasks of this one stand, and starting runs of other DAGs. */

import { RefusedError, UnavailableError } from "./errors.js";
import { decode, encode } from "./json.js";
import { ask, seconds } from "./wire.js";

const LOOK_S = 20; // how long one question waits for a run's end; then it is asked again

const name = (given) => {
  if (typeof given !== "string" || given === "") throw new RefusedError(`${String(given)} is no name: names are text`);
  return encodeURIComponent(given);
};
const text = (value) => {
  if (Array.isArray(value)) return value.map(text).join(",");
  return value instanceof Date ? value.toISOString() : String(value);
};
const narrowed = (path, query) => {
  const parts = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return path + (parts.length ? `?${parts.map(([key, value]) => `${key}=${encodeURIComponent(text(value))}`).join("&")}` : "");
};
const instant = (value) => (value === null || value === undefined ? null : new Date(value));
const times = (told) => ({
  logicalDate: new Date(told.logical_date),
  startedAt: instant(told.started_at),
  endedAt: instant(told.ended_at),
});
const run = (told) => ({
  run: told.run,
  dag: told.dag,
  dagVersion: told.dag_version,
  state: told.state,
  trigger: told.trigger,
  createdAt: new Date(told.created_at),
  ...times(told),
  params: told.params ? decode(told.params) : null,
});
const instance = (told) => ({
  run: told.run,
  task: told.task,
  mapIndex: told.map_index,
  state: told.state,
  kind: told.kind,
  tryNumber: told.try_number,
  queuedAt: instant(told.queued_at),
  ...times(told),
  label: told.label ?? null,
});
const ofRuns = ({ dag, run: id, state, logicalDate } = {}) => ({ dag, run: id, state, logical_date: logicalDate });
const ofTasks = ({ dag, run: id, logicalDate, task, state, mapIndex } = {}) =>
  ({ dag, run: id, logical_date: logicalDate, task, state, map_index: mapIndex });

async function wait(id, timeout) {
  const endsAt = timeout === undefined ? Infinity : performance.now() + 1000 * seconds(timeout);
  for (;;) {
    const left = Math.max(0, Math.min(LOOK_S, (endsAt - performance.now()) / 1000));
    const found = run(await ask("GET", `/v1/runs/${name(id)}?wait_s=${left.toFixed(3)}`));
    if (found.state !== "running" && found.state !== "queued") return found;
    if (performance.now() >= endsAt) throw new UnavailableError(`the run ${id} has not ended in time (${timeout}); it goes on`);
  }
}

export const runs = {
  get: async (id) => run(await ask("GET", `/v1/runs/${name(id)}`)),
  async previous({ state, dag, before } = {}) {
    const { previous } = await ask("GET", narrowed("/v1/runs/previous", { dag, before, state }));
    return previous ? run(previous) : null;
  },
  count: async (chosen) => (await ask("GET", narrowed("/v1/runs/count", ofRuns(chosen)))).count,
  async tasks(chosen) {
    const { items, more } = await ask("GET", narrowed("/v1/task-instances", ofTasks(chosen)));
    if (more) throw new RefusedError("there are more task instances than one answer has: name fewer runs, tasks or states");
    return items.map(instance);
  },
  countTasks: async (chosen) => (await ask("GET", narrowed("/v1/task-instances/count", ofTasks(chosen)))).count,
  async previousTask({ task, state, dag, mapIndex, before } = {}) {
    const query = { dag, task, map_index: mapIndex, before, state };
    const { previous } = await ask("GET", narrowed("/v1/task-instances/previous", query));
    return previous ? instance(previous) : null;
  },
  async dag(id) {
    const told = await ask("GET", `/v1/dags/${name(id)}`);
    const { dag, version, description, tasks } = told;
    return { dag, version, description, tasks, deployedAt: new Date(told.deployed_at), deployedBy: told.deployed_by };
  },
  async trigger(dag, params = {}, { logicalDate, key, wait: within = false } = {}) {
    const date = logicalDate === undefined ? undefined : text(logicalDate);
    const asked = [["dag", dag], ["params", params], ["logical_date", date], ["key", key]];
    const body = asked.filter(([, value]) => value !== undefined).map(([field, value]) => `"${field}":${encode(value, field)}`);
    const started = run((await ask("POST", "/v1/runs", `{${body.join(",")}}`)).run);
    return within === false ? started : wait(started.run, within === true ? undefined : within);
  },
  wait,
};
