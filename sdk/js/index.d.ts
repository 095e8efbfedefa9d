/** The Leasehold Task SDK for Node: what a running task may ask and tell. */

/** Seconds, or text like "30s", "10m", "1h30m" or "2d". */
export type Duration = number | string;

/** What may travel between tasks. `undefined` in an object is left out; whole numbers have at most 64 bits. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | File
  | readonly Value[]
  | ReadonlySet<Value>
  | ReadonlyMap<string, Value>
  | { readonly [key: string]: Value | undefined };

/** What arrives: `datetime` as Date, `bytes` as Uint8Array, whole numbers beyond 2^53 as bigint. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Received = any;

export interface ReadOptions {
  /** How long to wait while the API is out of reach (default: two minutes). */
  wait?: Duration;
}

/** A connection, secrets open. Printing it hides them; the log masks them. */
export class Connection {
  private constructor();
  readonly id: string;
  readonly connType: string;
  readonly host: string | null;
  readonly login: string | null;
  readonly password: string | null;
  readonly port: number | null;
  readonly schema: string | null;
  readonly extra: Readonly<Record<string, Received>>;

  /** Return the connection `id`, which the task declared. */
  static get(id: string, options?: ReadOptions): Promise<Connection>;
}

/** The variables that the task declared. */
export const Variable: {
  /** Return the value of `key`, or `default` when there is no such variable. */
  get(key: string, options?: ReadOptions & { default?: unknown }): Promise<Received>;
  /** Return the keys that there are and begin with `prefix`, of those that the task declared (`limits/*`). */
  list(prefix?: string, options?: ReadOptions): Promise<string[]>;
  set(key: string, value: Value, options?: { description?: string }): Promise<void>;
  delete(key: string): Promise<void>;
};

/** Values that tasks leave for others. */
export const xcom: {
  /** Leave `value` under `key`; the last one counts, and only if the task succeeds. */
  push(key: string, value: Value): Promise<void>;
  /** Return what the upstream `task` returned, or pushed under `key`. */
  pull(task: string, key?: string, options?: PullOptions & { mapIndex?: number; default?: unknown }): Promise<Received>;
  /** Return what the instances of a mapped `task` left, in the order of their map index; read in pages. */
  pullAll(task: string, key?: string, options?: ReadOptions & { run?: string }): Pulled;
  /** Return how many instances of `task` left a value under `key`. */
  count(task: string, key?: string, options?: ReadOptions & { run?: string }): Promise<number>;
  /** Take back what this task left under `key`. */
  delete(key: string): Promise<void>;
};

export interface PullOptions extends ReadOptions {
  /** Another run of the same DAG, by its id; "previous": the one before this. */
  run?: string;
  /** Take the newest value that this run or an earlier one of the DAG has. */
  includePrior?: boolean;
}

/** Values of a mapped task by their position. */
export interface Pulled extends AsyncIterable<Received> {
  count(): Promise<number>;
  /** Negative positions count from the end; undefined when there is none. */
  at(index: number): Promise<Received>;
  slice(start?: number, end?: number): Promise<Received[]>;
}

/** A file as a value: pushed from this task's disk, or received, with its bytes on demand. */
export class File {
  constructor(path: string, options?: { mediaType?: string | null; name?: string });
  readonly name: string;
  readonly mediaType: string | null;
  /** In bytes; null until it is pushed. */
  readonly size: number | null;
  /** In hexadecimal; null until it is pushed. */
  readonly sha256: string | null;
  /** Return the content as a stream that is read as it comes. */
  open(): Promise<AsyncIterable<Uint8Array>>;
  /** Return the whole content as text. */
  text(): Promise<string>;
  /** Write the content to a path, checked by its hash, and return that. */
  save(path: string): Promise<string>;
}

/** Return an OpenID Connect token that proves to `audience` which task this is. */
export function idToken(audience: string, options?: ReadOptions): Promise<string>;

/** A run of a DAG. */
export interface Run {
  readonly run: string;
  readonly dag: string;
  readonly dagVersion: number;
  readonly state: "queued" | "running" | "success" | "failed" | "cancelled";
  readonly trigger: string;
  readonly logicalDate: Date;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  /** Null when it was not asked for by its id. */
  readonly params: Readonly<Record<string, Received>> | null;
}

/** One task of one run. */
export interface TaskInstance {
  readonly run: string;
  readonly task: string;
  readonly mapIndex: number;
  readonly state: string;
  /** What does its work: python, program. */
  readonly kind: string;
  /** From 1; 0: not begun. */
  readonly tryNumber: number;
  readonly logicalDate: Date;
  readonly queuedAt: Date | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly label: string | null;
}

export interface ChosenRuns {
  dag?: string;
  run?: string | readonly string[];
  state?: string | readonly string[];
  logicalDate?: Date | string | readonly (Date | string)[];
}

export interface ChosenTasks extends ChosenRuns {
  task?: string | readonly string[];
  mapIndex?: number;
}

/** Runs of the task's own DAG, and of DAGs that it declared (`dags`, `triggers`). */
export const runs: {
  get(run: string): Promise<Run>;
  /** Return the newest earlier run by logical date, or null. */
  previous(chosen?: { state?: string | readonly string[]; dag?: string; before?: Date | string }): Promise<Run | null>;
  count(chosen?: ChosenRuns): Promise<number>;
  /** Return how tasks stand: those of this run, unless runs, a DAG or logical dates are named. */
  tasks(chosen?: ChosenTasks): Promise<TaskInstance[]>;
  countTasks(chosen?: ChosenTasks): Promise<number>;
  /** Return how this task, or another, stood in the newest earlier run that has it, or null. */
  previousTask(chosen?: {
    task?: string;
    state?: string | readonly string[];
    dag?: string;
    mapIndex?: number;
    before?: Date | string;
  }): Promise<TaskInstance | null>;
  dag(dag: string): Promise<{
    readonly dag: string;
    readonly version: number;
    readonly description: string;
    readonly tasks: readonly string[];
    readonly deployedAt: Date;
    readonly deployedBy: string;
  }>;
  /** Start a run, once for all tries of the task; `wait`: return when it has ended. */
  trigger(
    dag: string,
    params?: { readonly [key: string]: Value },
    options?: { logicalDate?: Date | string; key?: string; wait?: boolean | Duration },
  ): Promise<Run>;
  /** Return a run once it has ended. */
  wait(run: string, timeout?: Duration): Promise<Run>;
};

export interface AssetInfo {
  readonly name: string;
  readonly uri: string;
  readonly group: string;
  readonly extra: Readonly<Record<string, Received>>;
  readonly active: boolean;
  readonly inactiveBecause: string | null;
}

/** A task succeeded, and an outlet of it was thereby written. */
export interface AssetEvent {
  readonly event: string;
  readonly asset: string;
  readonly uri: string;
  readonly alias: string | null;
  readonly at: Date;
  readonly extra: Readonly<Record<string, Received>>;
  readonly dag: string;
  readonly run: string;
  readonly task: string;
  readonly mapIndex: number;
  readonly tryNumber: number;
}

/** An inlet or outlet of the task: its name, or its URI. */
export type AssetName = string | { readonly name: string } | { readonly uri: string };
export type AssetAlias = { readonly alias: string };

/** Inlets and outlets of the task. */
export const assets: {
  get(asset: AssetName, options?: ReadOptions): Promise<AssetInfo>;
  /** Return the assets that an alias has stood for. */
  byAlias(alias: string, options?: ReadOptions): Promise<AssetInfo[]>;
  /** Return events, oldest first; 1000 at most. */
  events(
    asset: AssetName | AssetAlias,
    chosen?: ReadOptions & { after?: Date | string; before?: Date | string; limit?: number; ascending?: boolean },
  ): Promise<AssetEvent[]>;
  /** What is kept with an asset, across runs; outlets only are written. */
  state(asset: AssetName): {
    get(key: string, options?: ReadOptions & { default?: unknown }): Promise<Received>;
    set(key: string, value: Value): Promise<void>;
    delete(key: string): Promise<void>;
    clear(): Promise<void>;
    keys(prefix?: string, options?: ReadOptions): Promise<string[]>;
  };
  /** Say what the event of an outlet says, if the task succeeds; of an alias, which `asset` it stands for. */
  outletEvent(
    outlet: AssetName | AssetAlias,
    extra?: { readonly [key: string]: Value },
    options?: {
      asset?: string | { name: string; uri?: string; group?: string; extra?: { readonly [key: string]: Value } };
    },
  ): Promise<void>;
};

export interface Context {
  readonly dag: string;
  readonly dagVersion: number;
  readonly run: string;
  readonly team: string;
  readonly trigger: string;
  readonly logicalDate: Date;
  readonly params: Readonly<Record<string, Received>>;
  readonly task: string;
  readonly taskInstance: string;
  readonly attempt: string;
  /** From 1. */
  readonly tryNumber: number;
  /** -1 when the task isn't mapped. */
  readonly mapIndex: number;
  readonly connections: readonly string[];
  readonly variables: readonly string[];
  readonly workDir: string;
  readonly bundleDir: string | null;
  /** How often it was rescheduled before. */
  readonly rescheduled: number;
  /** What this attempt goes on from; null: from nothing. */
  readonly resumed: "reschedule" | "defer" | "input" | null;
  /** Seconds since its first attempt began, whatever the site's clock says. */
  readonly runningForS: number;
  readonly firstStartedAt: Date | null;
  readonly downstream: readonly string[];
}

/** Return what the running task may know about itself. */
export function context(): Promise<Context>;

/** Set the task's result; the last one counts. `run` does it with what its function returns. */
export function result(value: Value): Promise<void>;

/** Say how far the task is: progress from 0 to 1, and one line of text. */
export function heartbeat(progress?: number | null, note?: string | null): Promise<void>;

/** Say what people shall call this task instance: one line, 250 characters at most; the last one counts. */
export function setLabel(label: string): Promise<void>;

/** Keep `text` out of the log from now on. */
export function mask(text: string): Promise<void>;

export type Tags = Readonly<Record<string, unknown>>;

export const metrics: {
  count(name: string, increment?: number, tags?: Tags): Promise<void>;
  gauge(name: string, value: number, tags?: Tags): Promise<void>;
  timing(name: string, duration: Duration, tags?: Tags): Promise<void>;
};

type Log = (message: string, fields?: Readonly<Record<string, unknown>>) => Promise<void>;

/** The task's log. What is printed ends up there too. Never rejects: without the host it goes to standard error. */
export const log: { debug: Log; info: Log; warning: Log; error: Log; critical: Log };

/** Nothing to do: the task is skipped. */
export class Skip extends Error {
  constructor(message?: string);
}

/** The task failed and trying again is no use: its retries are not spent. */
export class Fail extends Error {
  constructor(message?: string);
}

/** Try the task again; counts as one of its retries. */
export class Retry extends Error {
  constructor(message?: string, options?: { after?: Duration });
  readonly afterS: number | null;
}

/** Not yet: start the task again, after a while or at a time. No slot is taken meanwhile, and no try spent. */
export class Reschedule extends Error {
  constructor(message: string, options: { after: Duration } | { at: Date });
}

/** What the task keeps across its tries, reschedules and deferrals; writes never need the API. */
export const state: {
  get(key: string, options?: ReadOptions & { default?: unknown }): Promise<Received>;
  set(key: string, value: Value, options?: { expiresAfter?: Duration }): Promise<void>;
  delete(key: string): Promise<void>;
  clear(): Promise<void>;
  keys(prefix?: string, options?: ReadOptions): Promise<string[]>;
};

/** Skip tasks that depend directly on this one, if this one succeeds. */
export function skipDownstream(...tasks: string[]): Promise<void>;

export interface WaitOptions {
  /** How long to wait; then `errors.WaitTimedOut` is thrown. */
  timeout?: Duration;
  /** Names this wait within the task. */
  key?: string;
}

/** Wait for one thing without a slot: the task ends here, runs again from its top, and the same call returns. */
export function defer(
  what: WaitOptions & { until?: Date; after?: Duration; run?: string; states?: readonly string[]; event?: string },
): Promise<Received>;

export interface Answer {
  /** The option; all of them with `multiple`; null if there were none. */
  readonly chosen: string | string[] | null;
  readonly params: Readonly<Record<string, Received>>;
  /** Null: nobody answered in time, and the default counted. */
  readonly by: string | null;
  readonly at: Date;
}

/** Ask people, and wait for their answer without a slot, as with `defer`. */
export function awaitInput(
  question: string,
  options?: WaitOptions & {
    options?: readonly string[];
    params?: Readonly<Record<string, object>>;
    multiple?: boolean;
    default?: string | readonly string[] | Readonly<Record<string, unknown>>;
    assignedTo?: readonly string[];
    body?: string;
  },
): Promise<Answer>;

/**
 * Do the task's work: what `work` returns is the result; `Skip`, `Fail`, `Retry` and other errors it throws are how the
 * task ended.
 */
export function run(work: () => Value | void | Promise<Value | void>): Promise<void>;

export namespace errors {
  /** Anything a task asked for and did not get. The message names the cause and the cure. */
  class LeaseholdError extends Error {
    readonly code: "not_declared" | "not_granted" | "not_found" | "unavailable" | "refused" | "timed_out";
  }
  /** Declare it where the DAG is written, and deploy. */
  class UndeclaredError extends LeaseholdError {}
  /** An admin can grant it to the site. */
  class NotGrantedError extends LeaseholdError {}
  /** There is no such thing. */
  class NotFoundError extends LeaseholdError {}
  /** Later. */
  class UnavailableError extends LeaseholdError {}
  /** What the task waited for did not happen in time. */
  class WaitTimedOut extends LeaseholdError {}
  /** Never, as it is. */
  class RefusedError extends LeaseholdError {}
}
