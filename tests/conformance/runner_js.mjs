// The suite's runner for the Node binding, found where the agent says it is.
import { readFileSync, writeFileSync } from "node:fs";

const js = await import(process.env.LEASEHOLD_SDK_JS);
const { encode } = await import(new URL("src/json.js", `file://${process.env.LEASEHOLD_SDK_JS}`).href);
const job = JSON.parse(readFileSync("job.json", "utf8"));
const special = { nan: () => NaN, huge: () => 2n ** 70n, large: () => "x".repeat(65 * 2 ** 20), "64 bits": () => 2n ** 64n - 1n };
const value = (given) => (given?.$special ? special[given.$special]() : given);

const aRun = (one) => one && { run: one.run, dag: one.dag, state: one.state, params: one.params };
const aTask = ({ run, task, state, kind, label }) => ({ run, task, state, kind, label });
const anAsset = ({ name, uri, group, extra, active }) => ({ name, uri, group, extra, active });
const anEvent = ({ asset, dag, run, task, extra }) => ({ asset, dag, run, task, extra });
const narrowed = ({ logical_date: logicalDate, ...rest }) => ({ ...rest, logicalDate });

const doing = {
  "runs.get": async ({ run }) => aRun(await js.runs.get(run)),
  "runs.previous": async (args) => aRun(await js.runs.previous(args)),
  "runs.count": (args) => js.runs.count(narrowed(args)),
  "runs.tasks": async (args) => (await js.runs.tasks(narrowed(args))).map(aTask),
  "runs.count_tasks": (args) => js.runs.countTasks(narrowed(args)),
  "runs.previous_task": async (args) => aTask(await js.runs.previousTask(args)),
  "runs.dag": async ({ dag }) => (({ dag, version, tasks }) => ({ dag, version, tasks }))(await js.runs.dag(dag)),
  "runs.trigger": async ({ dag, params, key }) => (await js.runs.trigger(dag, params, { key })).run,
  "asset.get": async ({ asset }) => anAsset(await js.assets.get(asset)),
  "asset.by_alias": async ({ alias }) => (await js.assets.byAlias(alias)).map(anAsset),
  "asset.events": async ({ asset, alias, ...rest }) => (await js.assets.events(asset ?? { alias }, rest)).map(anEvent),
  "asset.state.get": ({ asset, key, ...rest }) => js.assets.state(asset).get(key, rest),
  "asset.state.set": (args) => js.assets.state(args.asset).set(args.key, value(args.value)),
  "asset.state.delete": ({ asset, key }) => js.assets.state(asset).delete(key),
  "asset.state.clear": ({ asset }) => js.assets.state(asset).clear(),
  "asset.state.keys": ({ asset, prefix }) => js.assets.state(asset).keys(prefix),
  outlet_event: ({ outlet, extra, stands_for: asset }) =>
    js.assets.outletEvent(asset ? { alias: outlet } : outlet, extra, { asset }),
  context: async () => {
    const found = await js.context();
    const { run, dag, task, params, variables } = found;
    return { run, dag, task, try_number: found.tryNumber, map_index: found.mapIndex, params, variables };
  },
  "connection.get": async ({ id, ...rest }) => {
    const found = await js.Connection.get(id, rest);
    const { host, login, password, port, schema, extra } = found;
    return { conn_type: found.connType, host, login, password, port, schema, extra };
  },
  "variable.get": ({ key, ...rest }) => js.Variable.get(key, rest),
  "variable.set": ({ key, value: set, ...rest }) => js.Variable.set(key, value(set), rest),
  "variable.list": ({ prefix }) => js.Variable.list(prefix),
  "variable.delete": ({ key }) => js.Variable.delete(key),
  "xcom.pull": ({ task, key, map_index, include_prior, ...rest }) =>
    js.xcom.pull(task, key, { mapIndex: map_index, includePrior: include_prior, ...rest }),
  "xcom.pull_all": async ({ task, key }) => {
    const found = js.xcom.pullAll(task, key);
    const values = [];
    for await (const each of found) values.push(each);
    if ((await found.at(-1)) !== values.at(-1) || (await found.slice(1)).length !== values.length - 1) throw found;
    return values;
  },
  "xcom.count": ({ task, key }) => js.xcom.count(task, key),
  "xcom.delete": ({ key }) => js.xcom.delete(key),
  "file.push": ({ path, content, key }) => {
    if (content !== null) writeFileSync(path, content);
    return js.xcom.push(key, new js.File(path));
  },
  "file.read": async ({ task, key }) => {
    const file = await js.xcom.pull(task, key);
    return { name: file.name, size: file.size, text: await file.text() };
  },
  "xcom.push": (args) => js.xcom.push(args.key, value(args.value)),
  result: (args) => js.result(value(args.value)),
  heartbeat: ({ progress, note }) => js.heartbeat(progress, note),
  metric: ({ kind, name, value: number, tags }) =>
    js.metrics[{ counter: "count" }[kind] ?? kind](name, value(number), tags),
  label: ({ label }) => js.setLabel(label),
  mask: ({ value: text }) => js.mask(text),
  log: ({ level, message, fields }) => js.log[level](message, fields),
  "state.get": ({ key, ...rest }) => js.state.get(key, rest),
  "state.set": (args) => js.state.set(args.key, value(args.value)),
  "state.delete": ({ key }) => js.state.delete(key),
  "state.clear": () => js.state.clear(),
  "state.keys": ({ prefix }) => js.state.keys(prefix),
  skip_downstream: ({ tasks }) => js.skipDownstream(...tasks),
  defer: ({ event }) => js.defer({ event }),
  id_token: ({ audience }) => js.idToken(audience),
};

async function calls() {
  const answers = {};
  for (const { name, call, args } of job.calls) {
    try {
      answers[name] = { value: (await doing[call](args)) ?? null };
    } catch (problem) {
      if (!(problem instanceof js.errors.LeaseholdError)) throw problem;
      answers[name] = { error: problem.code, message: problem.message };
    }
  }
  writeFileSync("answers.json", encode(answers, "answers"));
}

async function ending() {
  const { kind, message, after, event } = job.ending;
  if (kind === "defer") return js.defer({ event });
  if (kind === "reschedule") throw new js.Reschedule(message, { after });
  throw { skip: () => new js.Skip(message), fail: () => new js.Fail(message) }[kind]?.() ?? new js.Retry(message, { after });
}

await js.run(job.calls ? calls : ending);
