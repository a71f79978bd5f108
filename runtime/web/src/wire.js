/** Bytes, read as `wire.py` reads them. */

/** A file that is not a valid `.inr`: the message says what was wanted and what came. */
export class BitstreamError extends Error {
  name = "BitstreamError";
  end = 0; // of what was wanted, where bytes were too few
}

/** Reads fields from `data` (Uint8Array), from `position` on; every length is checked before memory is taken. */
export class Reader {
  constructor(data) {
    this.data = data;
    this.position = 0;
  }

  byte() {
    return this.fixed(1)[0];
  }

  /** Unsigned LEB128: seven bits a byte, the lowest first. */
  varint(limit) {
    for (let result = 0, unit = 1; ; unit *= 128) {
      const byte = this.byte();
      result += (byte & 127) * unit;
      if (result > limit)
        throw new BitstreamError(`wanted a number up to ${limit} before byte ${this.position}, got ${result} or more`);
      if (byte > 127) continue;
      if (byte === 0 && unit > 1)
        throw new BitstreamError(`wanted the shortest form of a number before byte ${this.position}`);
      return result;
    }
  }

  fixed(size) {
    const start = this.position;
    if (start + size > this.data.length) {
      const error = new BitstreamError(`truncated: wanted ${size} bytes at ${start}, got ${Math.max(0, this.data.length - start)}`);
      throw Object.assign(error, { end: start + size });
    }
    this.position += size;
    return this.data.subarray(start, this.position);
  }

  /** A length and that many bytes. */
  blob(limit) {
    return this.fixed(this.varint(limit));
  }
}
