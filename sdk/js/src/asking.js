/** What a task asks: connections, variables, other tasks' results, who it is. */

import { NotFoundError, RefusedError } from "./errors.js";
import { pushFiles } from "./files.js";
import { decode, encode } from "./json.js";
import { Pulled } from "./pulled.js";
import { ask, tell } from "./wire.js";

/** Return a name as one segment of a path. */
export const segment = (name) => {
  if (typeof name !== "string" || name === "") throw new RefusedError(`${String(name)} is no name: names are text`);
  return encodeURIComponent(name.replace(/[\uD800-\uDFFF]/g, "\uFFFD"));
};

/** A connection, secrets open. Printing it hides them; the log masks them. */
export class Connection {
  constructor(id, fields) {
    this.id = id;
    this.connType = fields.conn_type;
    this.host = fields.host ?? null;
    this.login = fields.login ?? null;
    this.port = fields.port ?? null;
    this.schema = fields.schema ?? null;
    for (const [name, value] of [["password", fields.password ?? null], ["extra", fields.extra ?? {}]]) {
      Object.defineProperty(this, name, { value, writable: true }); // not enumerable: console.log shows the rest
    }
  }

  static async get(id, { wait } = {}) {
    return new Connection(id, await ask("GET", `/v1/connections/${segment(id)}`, undefined, wait));
  }
}

export const Variable = {
  async get(key, { wait, ...rest } = {}) {
    try {
      return decode((await ask("GET", `/v1/variables/${segment(key)}`, undefined, wait)).value);
    } catch (problem) {
      if (problem instanceof NotFoundError && "default" in rest) return rest.default;
      throw problem;
    }
  },
  async list(prefix = "", { wait } = {}) {
    const keys = [];
    let after = "";
    while (after !== null) {
      const begin = after === "" ? "" : `&after=${segment(after)}`;
      const query = `prefix=${encodeURIComponent(prefix)}${begin}`;
      const page = await ask("GET", `/v1/variables?${query}`, undefined, wait);
      keys.push(...page.items);
      after = page.next ?? null;
    }
    return keys;
  },
  async set(key, value, { description } = {}) {
    const shown = encode(value, `Variable ${JSON.stringify(key)}`);
    const about = description === undefined ? "" : `,"description":${encode(description, "description")}`;
    await tell("PUT", `/v1/variables/${segment(key)}`, `{"value":${shown}${about}}`);
  },
  async delete(key) {
    await tell("DELETE", `/v1/variables/${segment(key)}`);
  },
};

export const xcom = {
  async push(key, value) {
    const name = `xcom ${JSON.stringify(key)}`;
    await pushFiles(value, name);
    await tell("PUT", `/v1/xcoms/${segment(key)}`, `{"value":${encode(value, name)}}`);
  },
  async pull(task, key = "return_value", { mapIndex = -1, run, includePrior = false, wait, ...rest } = {}) {
    const other = (run === undefined ? "" : `&run=${segment(run)}`) + (includePrior ? "&include_prior=true" : "");
    const path = `/v1/xcoms/${segment(key)}?task=${segment(task)}&map_index=${mapIndex}${other}`;
    try {
      return decode((await ask("GET", path, undefined, wait)).value);
    } catch (problem) {
      if (problem instanceof NotFoundError && "default" in rest) return rest.default;
      throw problem;
    }
  },
  pullAll(task, key = "return_value", { run, wait } = {}) {
    const other = run === undefined ? "" : `&run=${segment(run)}`;
    const path = `/v1/mapped-xcoms/${segment(key)}?task=${segment(task)}${other}`;
    return new Pulled(path, (item) => xcom.pull(task, key, { mapIndex: item.map_index, run: item.run, wait }), wait);
  },
  async count(task, key = "return_value", options = {}) {
    return xcom.pullAll(task, key, options).count();
  },
  async delete(key) {
    await tell("DELETE", `/v1/xcoms/${segment(key)}`);
  },
};

/** Return a token that proves to `audience` which task this is. */
export async function idToken(audience, { wait } = {}) {
  return (await ask("POST", "/v1/id-token", `{"audience":${encode(audience, "audience")}}`, wait)).token;
}

/** Return what the running task may know about itself. */
export async function context() {
  const told = await ask("GET", "/v1/context");
  return {
    dag: told.run.dag,
    dagVersion: told.run.dag_version,
    run: told.run.run,
    team: told.run.team,
    trigger: told.run.trigger,
    logicalDate: new Date(told.run.logical_date),
    params: decode(told.run.params),
    task: told.task,
    taskInstance: told.task_instance,
    attempt: told.attempt,
    tryNumber: told.try_number,
    mapIndex: told.map_index,
    connections: told.connections,
    variables: told.variables,
    workDir: told.work_dir,
    bundleDir: told.bundle_dir ?? null,
    rescheduled: told.rescheduled ?? 0,
    resumed: told.resumed ?? null,
    runningForS: told.running_for_s ?? 0,
    firstStartedAt: told.first_started_at ? new Date(told.first_started_at) : null,
    downstream: told.downstream ?? [],
  };
}
