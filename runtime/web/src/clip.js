/** What is known of a clip beside its samples: `clip.py`. */

import { BitstreamError, Reader } from "./wire.js";

const DEPTHS = [8, 10, 12, 16];
const CHROMAS = ["420", "422", "444", "grey"];
const TERM_MAX = 2 ** 31 - 1;
const TICKS_MAX = 2 ** 48;

/** {rate, times, ...}: frames a second, and when each frame is shown, in seconds from the first, or null if evenly. */
export function codeFacts(data, { frames }) {
  const wire = new Reader(data);
  const flags = wire.byte();
  if (flags > 127)
    throw new BitstreamError(`wanted a clip's flags up to 127, got ${flags}: a newer version of inrcodec may read this file`);
  const rate = fraction(wire);
  const [matrix, primaries, transfer] = [wire.byte(), wire.byte(), wire.byte()];
  const times = flags & 32 ? codeTimes(wire, frames) : null;
  const [aspect, turns] = flags & 64 ? [fraction(wire), wire.byte()] : [1, 0];
  if (turns > 3) throw new BitstreamError(`wanted 0 to 3 quarter turns, got ${turns}`);
  if (wire.position !== data.length)
    throw new BitstreamError(`wanted ${wire.position} bytes of facts on the clip, got ${data.length}`);
  const [bitDepth, chroma, fullRange] = [DEPTHS[flags & 3], CHROMAS[(flags >> 2) & 3], Boolean(flags & 16)];
  return { rate, times, bitDepth, chroma, fullRange, matrix, primaries, transfer, aspect, turns };
}

function fraction(wire) {
  const numerator = wire.varint(TERM_MAX - 1) + 1;
  return numerator / (wire.varint(TERM_MAX - 1) + 1);
}

function codeTimes(wire, frames) {
  const timeBase = fraction(wire);
  const times = new Float64Array(frames);
  for (let k = 1, ticks = 0; k < frames; k++) times[k] = (ticks += wire.varint(TICKS_MAX) + 1) * timeBase;
  return times;
}
