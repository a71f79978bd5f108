/** From the bytes of an `.inr` to pixels, on this thread. */

import { open } from "./file.js";
import { colorSpaceOf } from "./icc.js";
import { orientationOf } from "./orientation.js";
import { Memory } from "./source.js";

/**
 * {width, height, frames, data, channels, bitDepth, samples, sections, orientation, colorSpace}: `data` is RGBA of 8 bits
 * (Uint8ClampedArray), `samples` what the file says exactly; neither is turned nor converted. Options: `frame`, the first unless it is said; `symbols`, whether those are wanted too; and those
 * of `open`. Raises BitstreamError.
 */
export async function decode(buffer, options = {}) {
  const file = await open(new Memory(new Uint8Array(buffer)), options);
  const picture = await file.read(options.frame);
  const { signal, sections, symbols } = file;
  const shown = { orientation: orientationOf(sections.exif), colorSpace: colorSpaceOf(sections.icc) };
  return { ...signal, ...picture, sections, ...shown, ...(symbols && { symbols }) };
}
