/** Assets: what is known of the task's inlets and outlets, what happened to them, what is kept with them. */

import { segment } from "./asking.js";
import { NotFoundError, RefusedError } from "./errors.js";
import { decode, encode } from "./json.js";
import { ask, tell } from "./wire.js";

const subject = (asset) => {
  if (typeof asset === "string" && asset !== "") return { name: asset };
  const named = Object.entries(asset ?? {}).filter(([kind, value]) => ["name", "uri", "alias"].includes(kind) && value);
  if (named.length === 0) throw new RefusedError("say which asset: its name, or {uri}, or {alias}");
  const [[kind, value]] = named;
  return { [kind]: value };
};
const asked = (path, query) =>
  `${path}?${Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}=${encodeURIComponent(value instanceof Date ? value.toISOString() : String(value))}`)
    .join("&")}`;
const info = (told) => ({
  name: told.name,
  uri: told.uri,
  group: told.group,
  extra: decode(told.extra ?? {}),
  active: told.active,
  inactiveBecause: told.inactive_because ?? null,
});
const event = (told) => ({
  event: told.event,
  asset: told.asset,
  uri: told.uri,
  alias: told.alias ?? null,
  at: new Date(told.at),
  extra: decode(told.extra ?? {}),
  dag: told.dag,
  run: told.run,
  task: told.task,
  mapIndex: told.map_index,
  tryNumber: told.try_number,
});

/** What is kept with one asset, across runs. */
const stateOf = (asset) => {
  const whose = subject(asset);
  const at = (key) => asked(`/v1/asset-state/${segment(key)}`, whose);
  return {
    async get(key, { wait, ...rest } = {}) {
      try {
        return decode((await ask("GET", at(key), undefined, wait)).value);
      } catch (problem) {
        if (problem instanceof NotFoundError) return rest.default ?? null;
        throw problem;
      }
    },
    async set(key, value) {
      await tell("PUT", at(key), `{"value":${encode(value, `state ${JSON.stringify(key)}`)}}`);
    },
    async delete(key) {
      await tell("DELETE", at(key));
    },
    async clear() {
      await tell("DELETE", asked("/v1/asset-state", whose));
    },
    async keys(prefix = "", { wait } = {}) {
      return (await ask("GET", asked("/v1/asset-state", { ...whose, prefix }), undefined, wait)).keys;
    },
  };
};

export const assets = {
  async get(asset, { wait } = {}) {
    return info(await ask("GET", asked("/v1/asset", subject(asset)), undefined, wait));
  },
  async byAlias(alias, { wait } = {}) {
    return (await ask("GET", asked("/v1/assets", { alias }), undefined, wait)).assets.map(info);
  },
  async events(asset, { after, before, limit, ascending = true, wait } = {}) {
    const narrowed = { ...subject(asset), after, before, limit, ascending: ascending ? undefined : "false" };
    const found = await ask("GET", asked("/v1/asset-events", narrowed), undefined, wait);
    if (found.more && limit === undefined) {
      throw new RefusedError("there are more events than one answer has: narrow them down with after, before or limit");
    }
    return found.events.map(event);
  },
  state: stateOf,
  /** Say what the event of an outlet says, if the task succeeds; of an alias, what it stands for. */
  async outletEvent(outlet, extra = {}, { asset } = {}) {
    const whose = subject(outlet);
    const standsFor = asset === undefined ? {} : { asset: typeof asset === "string" ? { name: asset } : asset };
    await tell("POST", "/v1/outlet-events", encode({ ...whose, ...standsFor, extra }, "outletEvent"));
  },
};
