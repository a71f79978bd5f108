/** What a canvas takes. */

/** RGBA of 8 bits, Uint8ClampedArray, of a signal's samples at an address of the kernel's memory. */
export function rgbaOf(kernel, samples, { height, width, channels, bitDepth }) {
  const rgba = kernel.take(height * width);
  kernel.run.inrc_rgba(samples, channels, bitDepth / 8, height * width, rgba);
  return new Uint8ClampedArray(kernel.bytes(rgba, 4 * height * width).buffer);
}
