/** From latents and tensors to samples, by the kernel's synthesis of `pyramid`. */

const LEVELS_MAX = 16; // of the record `Picture` in `synthesis.c`

// Tensors in the record's order.
const TENSORS = [
  ...["upsampling.kernels", "upsampling.filters"],
  ...["hidden", "pixel", "skip", "residual0", "residual1"].map((name) => `synthesis.${name}.weight`),
  ...["hidden", "pixel", "residual0", "residual1"].map((name) => `synthesis.${name}.bias`),
];

/** Whether the kernel makes pictures of such tensors. */
export function paints(manifest) {
  return manifest.method === "pyramid";
}

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
  const rgba = kernel.take(height * width);
  kernel.run.inrc_synthesis_begin(state, record, scratch);
  kernel.run.inrc_synthesize(state, height, bytes, image, samples);
  kernel.run.inrc_rgba(samples, channels, bytes, height * width, rgba);
  const Kind = bitDepth === 8 ? Uint8Array : Uint16Array;
  return {
    samples: new Kind(kernel.memory.buffer, samples, height * width * channels).slice(),
    data: new Uint8ClampedArray(kernel.memory.buffer, rgba, 4 * height * width).slice(),
  };
}
