/** Where a file's bytes come from: memory, or a URL of which only what is wanted is fetched. */

import { BitstreamError } from "./wire.js";

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

  constructor(url) {
    this.url = url;
  }

  /** Bytes `start` to `end`, or as many as there are. */
  async read(start, end) {
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
