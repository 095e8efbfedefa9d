/** Values as they travel between tasks: JSON, and tags for what it lacks. */

import { RefusedError } from "./errors.js";
import { File } from "./files.js";

const TAG = "$type";
const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 64n - 1n;
const HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Return the JavaScript value of JSON data with tags: `datetime` is a Date, `bytes` a Buffer, `set` a Set. */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value);
  if (keys.length === 2 && typeof value[TAG] === "string" && "value" in value) return untagged(value[TAG], value.value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item)]));
}

function untagged(tag, inner) {
  switch (tag) {
    case "file":
      return File.received(inner);
    case "dict":
      return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key, decode(item)]));
    case "tuple":
      return inner.map(decode);
    case "set":
    case "frozenset":
      return new Set(inner.map(decode));
    case "bytes":
      return Buffer.from(inner, "base64");
    case "datetime":
      return /(Z|[+-]\d\d:\d\d)$/.test(inner) ? new Date(inner) : inner;
    case "date":
    case "time":
    case "timedelta":
    case "decimal":
    case "uuid":
    case "path":
      return inner;
    default:
      return { [TAG]: tag, value: decode(inner) };
  }
}

/** Return `value` as JSON text with tags; `name` is what messages call the whole value. */
export function encode(value, name) {
  return encoded(value, name, new Set(), true);
}

/** Return `value` as JSON text without tags, for the fields of a log record: what can't travel is shown as text. */
export function plain(value, name) {
  try {
    return encoded(value, name, new Set(), false);
  } catch (problem) {
    if (!(problem instanceof RefusedError)) throw problem;
    return JSON.stringify(String(value).toWellFormed?.() ?? String(value).replace(HALF, "\uFFFD"));
  }
}

function encoded(value, path, inside, tags) {
  switch (typeof value) {
    case "string":
      return text(value, path);
    case "boolean":
      return String(value);
    case "number":
      if (Number.isFinite(value)) return JSON.stringify(value);
      throw new RefusedError(`${path} is ${value}, which JSON doesn't have: use null, or leave it out`);
    case "bigint":
      if (value >= SMALLEST && value <= LARGEST) return String(value);
      throw new RefusedError(`${path} is a whole number of more than 64 bits: send it as text, String(…)`);
    case "object":
      return value === null ? "null" : container(value, path, inside, tags);
    default:
      throw new RefusedError(`${path} is ${typeof value}, which can't travel between tasks: use null, or leave it out`);
  }
}

function container(value, path, inside, tags) {
  if (inside.has(value)) throw new RefusedError(`${path} contains itself: a value that travels must be a tree`);
  if (inside.size > 900) throw new RefusedError(`${path} is nested too deeply: flatten it, or write it to a file`);
  inside.add(value);
  const done = shaped(value, path, inside, tags);
  inside.delete(value);
  return done;
}

function shaped(value, path, inside, tags) {
  const tagged = (tag, inner) => (tags ? `{"${TAG}":"${tag}","value":${inner}}` : inner);
  const list = (items) => `[${items.map((item, n) => encoded(item, `${path}[${n}]`, inside, tags)).join(",")}]`;
  if (Array.isArray(value)) return list(Array.from(value));
  if (value instanceof File) return tagged("file", JSON.stringify(value.described()));
  if (value instanceof Set) return tagged("set", list([...value]));
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new RefusedError(`${path} is a Date without a time: check how it was made`);
    return tagged("datetime", JSON.stringify(value.toISOString().replace("Z", "+00:00")));
  }
  if (value instanceof Uint8Array) return tagged("bytes", JSON.stringify(Buffer.from(value).toString("base64")));
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const prototype = Object.getPrototypeOf(value);
  if (!(value instanceof Map) && prototype !== null && prototype !== Object.prototype && value.toJSON) {
    return encoded(value.toJSON(), path, inside, tags);
  }
  const kept = entries.filter(([, item]) => item !== undefined); // as JSON.stringify does
  const shown = kept.map(([key, item]) => {
    if (typeof key !== "string") throw new RefusedError(`${path} has the key ${String(key)}: JSON has text keys only`);
    return `${text(key, path)}:${encoded(item, `${path}[${JSON.stringify(key)}]`, inside, tags)}`;
  });
  const object = `{${shown.join(",")}}`;
  return kept.some(([key]) => key === TAG) ? tagged("dict", object) : object;
}

function text(value, path) {
  if (HALF.test(value)) throw new RefusedError(`${path} has half a character (a lone surrogate) in it: replace it`);
  return JSON.stringify(value);
}
