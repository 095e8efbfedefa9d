/** The values of a mapped task, read in pages as they are asked for. */

import { ask } from "./wire.js";
import { decode } from "./json.js";

const PAGE = 64;

/** Values by their position, in the order of the map index. */
export class Pulled {
  #path;
  #one;
  #wait;
  #length = null;
  #start = 0;
  #page = [];

  constructor(path, one, wait) {
    this.#path = path;
    this.#one = one;
    this.#wait = wait;
  }

  /** Return how many there are. */
  async count() {
    if (this.#length === null) await this.#read(0, 0);
    return this.#length;
  }

  /** Return the value at a position (negative: from the end); undefined when there is none. */
  async at(index) {
    const place = index < 0 ? index + (await this.count()) : index;
    if (place < 0 || place >= (await this.count())) return undefined;
    if (place < this.#start || place >= this.#start + this.#page.length) {
      this.#start = place === this.#start - 1 ? Math.max(0, place - PAGE + 1) : place;
      this.#page = await this.#read(this.#start, PAGE);
    }
    const item = this.#page[place - this.#start];
    return item.inline ? decode(item.value) : this.#one(item);
  }

  /** Return the values from `start` up to `end`, as an array's slice does. */
  async slice(start = 0, end = Infinity) {
    const length = await this.count();
    const bound = (at) => (at < 0 ? Math.max(0, at + length) : Math.min(at, length));
    const values = [];
    for (let at = bound(start); at < bound(end); at += 1) values.push(await this.at(at));
    return values;
  }

  async *[Symbol.asyncIterator]() {
    const length = await this.count();
    for (let at = 0; at < length; at += 1) yield this.at(at);
  }

  async #read(offset, limit) {
    const answer = await ask("GET", `${this.#path}&offset=${offset}&limit=${limit}`, undefined, this.#wait);
    this.#length = answer.count;
    return answer.items;
  }
}
