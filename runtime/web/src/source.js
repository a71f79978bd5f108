/** Where a file's bytes come from: memory, a URL of which only what is wanted is fetched, or another worker that has that. */

import { BitstreamError } from "./wire.js";

const KEPT = 3; // parts, for the other worker to have them too

/** Bytes that are there: `read(start, end)` as of a URL. */
export class Memory {
  constructor(data) {
    this.data = data;
  }

  get size() {
    return this.data.length;
  }

  async read(start, end) {
    return this.data.subarray(start, end);
  }
}

/** A URL, by range requests; of a host that does not know them the whole file comes at the first. */
export class Remote {
  #whole = null;
  #kept = new Map(); // the latest promises of parts

  constructor(url) {
    this.url = url;
  }

  /** Bytes `start` to `end`, or as many as there are. */
  read(start, end) {
    const part = `${start} ${end}`;
    if (!this.#kept.has(part)) {
      for (const other of [...this.#kept.keys()].slice(0, 1 - KEPT)) this.#kept.delete(other);
      const read = this.#fetch(start, end);
      read.catch(() => this.#kept.delete(part));
      this.#kept.set(part, read);
    }
    return this.#kept.get(part);
  }

  async #fetch(start, end) {
    if (this.#whole) return this.#whole.subarray(start, end);
    const response = await fetch(this.url, { headers: { Range: `bytes=${start}-${end === Infinity ? "" : end - 1}` } });
    if (response.status === 416) return new Uint8Array(0);
    if (!response.ok) throw new BitstreamError(`wanted the file, got ${response.status} ${response.statusText}`);
    const data = new Uint8Array(await response.arrayBuffer());
    const ranged = response.status === 206;
    if (!ranged || (start === 0 && data.length < end)) this.#whole = data;
    return ranged ? data : data.subarray(start, end);
  }
}

/** What another worker `hand`s on. */
export class Ported {
  #port;
  #asked = new Map(); // by number: {resolve, reject}
  #last = 0;

  constructor(port) {
    this.#port = port;
    port.onmessage = ({ data: { number, data, error } }) => {
      const { resolve, reject } = this.#asked.get(number);
      this.#asked.delete(number);
      if (error) reject(new BitstreamError(error));
      else resolve(data);
    };
  }

  read(start, end) {
    return new Promise((resolve, reject) => {
      this.#asked.set(++this.#last, { resolve, reject });
      this.#port.postMessage({ number: this.#last, start, end });
    });
  }
}

/** Answer a `Ported` source from one of one's own. */
export function hand(source, port) {
  port.onmessage = async ({ data: { number, start, end } }) => {
    try {
      port.postMessage({ number, data: await source.read(start, end) });
    } catch ({ message }) {
      port.postMessage({ number, error: message });
    }
  };
}
