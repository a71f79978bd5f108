/** A segment: everything that one neural representation's payload carries. `segment.py`. */

import { codeGrids, contextModel } from "./context.js";
import { codeModel } from "./entropy.js";
import { BitstreamError } from "./wire.js";

const EXPONENTS = 32; // a step is 2**-exponent
const WEIGHTS_MAX = 2 ** 24; // values over all tensors of a segment

/**
 * The sizes, the tensors by name {shape, symbols, exponent, values()} and the grids in coding order of a payload. Of a `partial`
 * one the rest is guessed.
 */
export function readSegment(kernel, manifest, signal, payload, partial = false) {
  if (manifest.levels && signal.frames > 1)
    throw new BitstreamError(`wanted one frame with ${manifest.name}, got ${signal.frames}`);
  kernel.begin(payload);
  const sizes = { channels: signal.channels, frames: signal.frames };
  for (const [name, most] of manifest.sizes) sizes[name] = kernel.integer(most) + 1;
  const groups = new Map();
  for (const [name, dimensions, group] of manifest.tensors) {
    const shape = dimensions.map((size) => dimension(size, sizes));
    groups.set(group, [...(groups.get(group) ?? []), { name, shape, count: shape.reduce((a, b) => a * b, 1) }]);
  }
  const parameters = [...groups.values()].flat().reduce((sum, { count }) => sum + count, 0);
  if (parameters > WEIGHTS_MAX)
    throw new BitstreamError(`wanted at most ${WEIGHTS_MAX} network parameters, got ${parameters}`);
  const tensors = new Map();
  for (const [group, members] of groups) codeGroup(kernel, members, manifest.counts?.[group], tensors);
  if (partial) kernel.guess();
  const shapes = gridShapes(signal, manifest.levels);
  const grids = manifest.levels ? codeGrids(kernel, contextModel(manifest.order, tensors), shapes, manifest.hyper) : [];
  return { sizes, tensors, grids };
}

/** A number, or a sum of names of sizes. */
function dimension(size, sizes) {
  if (typeof size === "number") return size;
  return size.split("+").reduce((sum, name) => sum + sizes[name], 0);
}

/** Of each latent level, finest first: the sizes halve, rounded up. */
function gridShapes({ height, width }, levels) {
  return Array.from({ length: levels }, (_, k) => ({ height: ((height - 1) >> k) + 1, width: ((width - 1) >> k) + 1 }));
}

/** A step exponent, an entropy model's record, and the symbols of all tensors in a row. */
function codeGroup(kernel, members, counts, tensors) {
  const exponent = kernel.integer(EXPONENTS);
  const model = codeModel(kernel, counts);
  const all = model.code(members.reduce((sum, { count }) => sum + count, 0));
  let at = 0;
  for (const { name, shape, count } of members) {
    const symbols = all.subarray(at, (at += count));
    tensors.set(name, { shape, symbols, exponent, values: () => model.values(symbols, exponent) });
  }
}
