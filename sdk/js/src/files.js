/** Files that travel between tasks: streamed from one task's disk, and to the other's. */

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

import { RefusedError } from "./errors.js";
import { download, upload } from "./wire.js";

/** A file as a value. What was received brings its bytes when they are asked for. */
export class File {
  #path;
  #pushed = null;

  constructor(from, { mediaType = null, name } = {}) {
    this.#path = from;
    this.name = path.basename(name ?? from);
    this.mediaType = mediaType;
  }

  /** Return the file that a tagged value describes. */
  static received(told) {
    const file = new File(null, { name: told.name ?? told.sha256, mediaType: told.media_type ?? null });
    file.#pushed = { sha256: told.sha256, size: told.size };
    return file;
  }

  get size() {
    return this.#pushed?.size ?? null;
  }

  get sha256() {
    return this.#pushed?.sha256 ?? null;
  }

  /** Return the content as a stream; it fails at its end if it has another hash. */
  async open() {
    if (this.#path !== null) return createReadStream(this.#path);
    const hash = createHash("sha256");
    const { sha256 } = this.#pushed;
    const checked = new Transform({
      transform(piece, _, done) {
        hash.update(piece);
        done(null, piece);
      },
      flush(done) {
        done(hash.digest("hex") === sha256 ? null : new RefusedError(`the file arrived with another hash than ${sha256}`));
      },
    });
    const source = await download(`/v1/files/${sha256}`);
    source.on("error", (problem) => checked.destroy(problem));
    return source.pipe(checked);
  }

  /** Return the whole content as text. */
  async text() {
    const parts = [];
    for await (const part of await this.open()) parts.push(part);
    return Buffer.concat(parts).toString("utf8");
  }

  /** Write the content to a path, and return that. Nothing is there before all of it is. */
  async save(to) {
    const aside = `${to}.part`;
    try {
      await pipeline(await this.open(), createWriteStream(aside));
      await rename(aside, to);
    } catch (problem) {
      await rm(aside, { force: true });
      throw problem;
    }
    return to;
  }

  /** Bring the bytes to the attempt host, unless they are there; return what the tagged value holds. */
  async pushed(where) {
    if (this.#pushed === null) this.#pushed = await push(this.#path, where);
    return this.described();
  }

  /** Return what the tagged value holds, of a file that was pushed. */
  described() {
    const told = { ...this.#pushed, name: this.name };
    return this.mediaType === null ? told : { ...told, media_type: this.mediaType };
  }
}

/** Push every file in a value, so that it can be encoded. */
export async function pushFiles(value, where, seen = new Set()) {
  if (value === null || typeof value !== "object" || seen.has(value)) return;
  if (value instanceof File) {
    await value.pushed(where);
    return;
  }
  if (value instanceof Uint8Array) return;
  seen.add(value);
  const inside = value instanceof Map ? value.entries() : value instanceof Set ? value.entries() : Object.entries(value);
  for (const [key, item] of inside) await pushFiles(item, `${where}[${JSON.stringify(key)}]`, seen);
}

async function push(from, where) {
  const before = await look(from, where);
  if (before.isDirectory()) throw new RefusedError(`${where}: ${from} is a folder: zip it and push the archive`);
  if (!before.isFile()) {
    throw new RefusedError(`${where}: ${from} is no regular file but a pipe, socket or device: copy it into a file`);
  }
  const changed = `${where}: the file ${from} changed while it was read: write it to its end first, or push a copy`;
  const end = before.size - 1;
  const content = before.size === 0 ? Readable.from([]) : createReadStream(from, { end });
  const told = await upload("/v1/files", content, before.size, changed);
  const after = await look(from, where);
  if (after.size !== before.size || after.mtimeMs !== before.mtimeMs) throw new RefusedError(changed);
  return { sha256: told.sha256, size: before.size };
}

async function look(from, where) {
  try {
    return await stat(from);
  } catch (problem) {
    throw new RefusedError(`${where}: the file ${from} can't be read: ${problem.code ?? problem.message}`);
  }
}
