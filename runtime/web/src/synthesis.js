/** From latents and tensors to samples, by the kernel's synthesis of `pyramid`. */

import { rgbaOf } from "./rgba.js";

const LEVELS_MAX = 16; // of the record `Picture` in `synthesis.c`

// Tensors in the record's order.
const TENSORS = [
  ...["upsampling.kernels", "upsampling.filters"],
  ...["hidden", "pixel", "skip", "residual0", "residual1"].map((name) => `synthesis.${name}.weight`),
  ...["hidden", "pixel", "residual0", "residual1"].map((name) => `synthesis.${name}.bias`),
];

/** Samples (height, width, channels), Uint8Array or Uint16Array, and the same as RGBA of 8 bits for a canvas. */
export function paint(kernel, signal, manifest, segment) {
  const { height, width, channels, bitDepth } = signal;
  const finest = segment.grids.slice(-manifest.levels).reverse();
  const addresses = Array.from({ length: LEVELS_MAX }, (_, k) => finest[k]?.address ?? 0);
  const tensors = TENSORS.map((name) => kernel.putFloats(segment.tensors.get(name).values()));
  const record = kernel.put([manifest.levels, segment.sizes.hidden, channels, height, width, ...addresses, ...tensors]);
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
