/** From latents and tensors to samples, by the kernel's synthesis of `pyramid`. */

import { rgbaOf } from "./rgba.js";
import { PAIR } from "./segment.js";

const LEVELS_MAX = 16; // of the record `Picture` in `synthesis.c`
const STACK_MAX = 1 + PAIR; // grids of a level there

// Tensors in the record's order.
const TENSORS = [
  ...["upsampling.kernels", "upsampling.filters"],
  ...["hidden", "pixel", "skip", "residual0", "residual1"].map((name) => `synthesis.${name}.weight`),
  ...["hidden", "pixel", "residual0", "residual1"].map((name) => `synthesis.${name}.bias`),
];

const MIXING = ["first.weight", "first.bias", "last.weight"]; // of each level that is mixed

/** Samples (height, width, channels), Uint8Array or Uint16Array, and the same as RGBA of 8 bits for a canvas. */
export function paint(kernel, signal, manifest, segment) {
  const { height, width, channels, bitDepth } = signal;
  const stacks = stacksOf(manifest, segment.grids);
  const counts = Array.from({ length: LEVELS_MAX }, (_, k) => stacks[k]?.length ?? 0);
  const addresses = Array.from({ length: LEVELS_MAX * STACK_MAX }, (_, i) => stacks[Math.floor(i / STACK_MAX)]?.[i % STACK_MAX]?.address ?? 0);
  const put = (name) => (segment.tensors.has(name) ? kernel.putFloats(segment.tensors.get(name).values()) : 0);
  const tensors = TENSORS.map(put);
  const mixing = MIXING.flatMap((name) => Array.from({ length: LEVELS_MAX }, (_, k) => put(`mixing${k}.${name}`)));
  const sizes = [manifest.levels, segment.sizes.hidden, channels, height, width];
  const record = kernel.put([...sizes, ...counts, ...addresses, segment.sizes.mixing ?? 0, ...mixing, ...tensors]);
  const state = kernel.take(Math.ceil(kernel.run.inrc_synthesis_size() / 4));
  const scratch = kernel.zeros(kernel.run.inrc_synthesis_scratch(state, record) >>> 0);
  const image = kernel.zeros(channels * (width + 64));
  const bytes = bitDepth / 8;
  const samples = kernel.take(Math.ceil((height * width * channels * bytes) / 4));
  kernel.run.inrc_synthesis_begin(state, record, scratch);
  kernel.run.inrc_synthesize(state, height, bytes, image, samples);
  const all = kernel.bytes(samples, height * width * channels * bytes);
  return { samples: bytes === 1 ? all : new Uint16Array(all.buffer), data: rgbaOf(kernel, samples, signal) };
}

/** Each level's grids, finest first: its own, then those for colour, which are coded before all others. */
function stacksOf({ levels, chroma = [] }, grids) {
  const colour = grids.slice(0, PAIR * chroma.length).reverse();
  const stacks = grids.slice(-levels).reverse().map((grid) => [grid]);
  chroma.forEach((level, i) => stacks[level].push(...colour.slice(PAIR * i, PAIR * (i + 1))));
  return stacks;
}
