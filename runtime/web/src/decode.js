/** From the bytes of an `.inr` to pixels, on this thread. */

import { withKernel } from "./kernel.js";
import { manifestOf } from "./profiles.js";
import { readSegment } from "./segment.js";
import { inflated, readHeader } from "./syntax.js";
import { paint } from "./synthesis.js";
import { BitstreamError } from "./wire.js";

/**
 * {width, height, frames, data, channels, bitDepth, samples, sections}: `data` is RGBA of 8 bits (Uint8ClampedArray), `samples`
 * what the file says exactly. Options: `pixelsMax`; `partial`, whether the file may be cut, and what it lacks guessed;
 * `symbols`, whether those are wanted too. Raises BitstreamError.
 */
export async function decode(buffer, options = {}) {
  const data = new Uint8Array(buffer);
  const { header, position } = readHeader(data, { ...options, checked: !options.partial });
  const { signal, profile } = header;
  const sections = await inflated(header.sections);
  const manifest = manifestOf(profile);
  if (!manifest) throw new BitstreamError(`wanted a profile of pyramid, 1 to 6, got ${profile}`);
  return withKernel((kernel) => {
    const segment = readSegment(kernel, manifest, signal, data.subarray(position), options.partial);
    const symbols = options.symbols && symbolsOf(kernel, segment);
    return { ...signal, ...paint(kernel, signal, manifest, segment), sections, ...(symbols && { symbols }) };
  });
}

/** Tensors' symbols by name, and grids in coding order. */
function symbolsOf(kernel, { tensors, grids }) {
  return {
    tensors: Object.fromEntries([...tensors].map(([name, { symbols }]) => [name, symbols])),
    grids: grids.map(({ address, height, width }) => kernel.int32(address, height * width).slice()),
  };
}
