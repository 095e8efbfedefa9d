// A task in JavaScript. The agent says where its binding is; nothing has to be installed but Node itself.
const { Skip, log, metrics, run, xcom } = await import(process.env.LEASEHOLD_SDK_JS);

await run(async () => {
  const readings = await xcom.pull("read_pumps");
  if (readings.length === 0) throw new Skip("no pump was running");
  const highest = readings.reduce((most, one) => (one.bar > most.bar ? one : most));
  await metrics.gauge("highest_bar", highest.bar, { pump: highest.pump });
  await log.info("compared the pumps", { pumps: readings.length });
  return highest;
});
