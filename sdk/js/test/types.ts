// What `tsc --noEmit` looks at: the types fit how the binding is used, and refuse how it can't be.
import { Connection, Fail, Retry, Skip, Variable, context, errors, heartbeat, idToken, log, mask, metrics, result, run, runs, setLabel, xcom } from "../index.js";

await run(async () => {
  const plant = await Connection.get("plant_db", { wait: "10m" });
  const host: string | null = plant.host;
  const limit: number = await Variable.get("limit", { default: 80 });
  await Variable.set("limit", { bar: [limit, 2n, new Date(), new Uint8Array(1), new Set(["a"])], none: undefined });
  const { params, tryNumber } = await context();
  const last = await runs.previous({ state: "success" });
  const since: Date | undefined = last?.logicalDate;
  const failed: number = await runs.countTasks({ state: ["failed"], logicalDate: since });
  const started = await runs.trigger("load_all", { day: params.day, failed }, { key: "evening", wait: "10m" });
  await log.info(started.state, { tasks: (await runs.tasks({ run: started.run })).map((one) => one.task) });
  await xcom.push("late", [host, params.day]);
  await xcom.pull("collect", "rows", { mapIndex: 3 });
  await metrics.gauge("level", tryNumber, { plant: "north" });
  await heartbeat(0.5, "half");
  await setLabel("plant north");
  await mask(await idToken("https://vault.example.com"));
  await log.info("read", { rows: 1 });
  await result(null);
  if (limit > 1) throw new Retry("asleep", { after: "10m" });
  if (limit > 2) throw new Skip("nothing new");
  if (limit > 3) throw new Fail();
  return limit;
});

try {
  await Variable.delete("limit");
} catch (problem) {
  if (problem instanceof errors.LeaseholdError && problem.code === "not_found") await log.debug("gone already");
}

// @ts-expect-error functions don't travel
await result(() => 1);
// @ts-expect-error a connection comes from get
new Connection();
// @ts-expect-error a metric is a number
await metrics.gauge("level", "high");
