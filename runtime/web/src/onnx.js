/** The engine of every method but `pyramid`: its graphs by onnxruntime-web. Loaded when such a file is met. */

import { Graphs, fields } from "./graphs.js";
import { Prediction } from "./prediction.js";
import { rgbaOf } from "./rgba.js";
import { BitstreamError } from "./wire.js";

const BAND_PIXELS = 2 ** 15; // rows that a graph makes at a time hold about so many
const LEARNED = { kernel: "upsampling.kernels", filter: "upsampling.filters" };
const KNOWN = ["name", "sizes", "tensors", "levels", "hyper", "halo", "order", "counts", "method", "macs", "framewise", "squares", "motion"];
const METADATA = 14; // the field of an ONNX model

const engines = new Map(); // by number, promises

/** See `engineOf`. The folders `profiles` and `onnxruntime` lie beside this file unless the options say where. */
export function engine(profile, withKernel, { profiles = "profiles/", onnxruntime = "onnxruntime/" } = {}) {
  if (!engines.has(profile)) {
    const made = load(profile, withKernel, new URL(profiles, import.meta.url), new URL(onnxruntime, import.meta.url));
    made.catch(() => engines.delete(profile));
    engines.set(profile, made);
  }
  return engines.get(profile);
}

const text = (data) => new TextDecoder().decode(data);

async function load(profile, withKernel, profiles, folder) {
  const standard = JSON.parse(text(await fetched(new URL("standard.json", profiles))));
  if (!(profile in standard))
    throw new BitstreamError(`wanted a standard profile, got ${profile}: a newer inrcodec may read this file`);
  const names = text(await fetched(new URL(`${standard[profile]}.txt`, profiles))).trim().split(/\s+/);
  const models = await Promise.all(names.map((graph) => fetched(new URL(graph, profiles))));
  const manifest = manifestIn(models[0]);
  const graphs = await Graphs.of(models, folder, Boolean(manifest.motion)); // frames would drift apart
  return {
    manifest,
    prepare: (kernel, signal, segment) => prepared(kernel, segment),
    paint: (ready, signal, frame, own, samples) => {
      const tensors = { ...ready.tensors, ...feeds(own) };
      const make = (grids) => new Synthesis(graphs, withKernel, manifest, signal, { tensors, grids }, frame);
      if (!manifest.motion) return make(ready.grids).picture(samples);
      ready.prediction ??= new Prediction(manifest, signal, ready.grids, make);
      return ready.prediction.picture(frame, samples);
    },
  };
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`wanted the decoder graph ${url.href}, got ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The manifest among a graph's metadata. */
function manifestIn(graph) {
  for (const [number, value] of fields(graph)) {
    if (number !== METADATA) continue;
    const entry = new Map(fields(value));
    if (text(entry.get(1)) !== "inrcodec") continue;
    const manifest = JSON.parse(text(entry.get(2)));
    const unknown = Object.keys(manifest).filter((key) => !KNOWN.includes(key));
    if (unknown.length) throw new BitstreamError(`wanted a profile that a page can play, ${manifest.name} has ${unknown}`);
    return manifest;
  }
  throw new BitstreamError("wanted a profile's manifest, got a graph without");
}

/** Tensors by name, and grids in coding order, out of the kernel's memory. */
function prepared(kernel, { tensors, grids }) {
  return {
    tensors: feeds(tensors),
    grids: grids.map(({ address, height, width }) => ({
      data: Float32Array.from(kernel.int32(address, height * width)),
      dims: [1, 1, height, width],
    })),
  };
}

function feeds(tensors) {
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, { data: tensor.values(), dims: tensor.shape }]));
}

/** One frame by a profile's graphs, as `synthesis.py` makes it. */
class Synthesis {
  constructor(graphs, withKernel, manifest, signal, { tensors, grids }, frame) {
    Object.assign(this, { graphs, withKernel, manifest, signal, tensors, frame });
    this.grids = grids.slice(grids.length - manifest.levels).reverse(); // hyper-latents make no picture
  }

  /** {samples, data} */
  async picture(wanted) {
    const { height, width, channels, bitDepth } = this.signal;
    if (this.manifest.squares) {
      const image = await this.chain(0, height);
      const data = await this.withKernel((kernel) => coloured(kernel, image, this.signal));
      return { data, ...(wanted && { samples: new Uint8Array(data.filter((_, i) => i % 4 < 3)) }) };
    }
    const bytes = bitDepth / 8;
    const all = new Uint8Array(height * width * channels * bytes);
    for await (const { image, skip, top, bottom } of this.bands()) {
      const band = await this.withKernel((kernel) => quantized(kernel, image, skip, bottom - top, width, bytes));
      all.set(band, top * width * channels * bytes);
    }
    return this.finished(all, wanted);
  }

  /** Parts of the picture from top to bottom: the rows `top` to `bottom`, which are `skip` rows down in an `image`. */
  async *bands() {
    const { height, width, channels } = this.signal;
    const stack = this.grids.length ? await this.stack() : null;
    const { halo } = this.manifest;
    const rows = halo < 0 ? height : Math.max(4 * halo, 1, Math.floor(BAND_PIXELS / width));
    for (let top = 0; top < height; top += rows) {
      const bottom = Math.min(top + rows, height);
      const [above, below] = halo < 0 ? [0, height] : [Math.max(0, top - halo), Math.min(height, bottom + halo)];
      const image = await (stack ? this.band(stack, above, below) : this.chain(above, below));
      const [count, planes, h, w] = image.dims;
      if (count !== 1 || planes !== channels || !(h >= below - above && w >= width))
        throw new BitstreamError(`wanted 1,${channels},${below - above},${width} from a decoder graph, got ${image.dims}`);
      yield { image, skip: top - above, top, bottom };
    }
  }

  /** {samples, data} of the bytes of all samples. */
  async finished(all, wanted) {
    const data = await this.withKernel((kernel) => rgbaOf(kernel, kernel.putBytes(all), this.signal));
    return { data, ...(wanted && { samples: this.signal.bitDepth === 8 ? all : new Uint16Array(all.buffer) }) };
  }

  /** {samples, data} of a whole image's planes. */
  async shown(image, wanted) {
    const { height, width, bitDepth } = this.signal;
    return this.finished(await this.withKernel((kernel) => quantized(kernel, image, 0, height, width, bitDepth / 8)), wanted);
  }

  /** The stack of all grids at the finest one's size, (1, levels, height, width). */
  async stack() {
    let stack = this.grids.at(-1);
    for (let level = this.grids.length - 2; level >= 0; level--) stack = await this.doubled(stack, this.grids[level], level);
    return stack;
  }

  /** The stack of `level`: a coarser one, doubled, below that level's grid. */
  doubled(stack, finer, level) {
    const feeds = { features: stack, finer };
    for (const [taken, name] of Object.entries(LEARNED))
      if (name in this.tensors) {
        const { data, dims } = this.tensors[name];
        feeds[taken] = this.float(data.slice(level * dims[1], (level + 1) * dims[1]), [dims[1]]);
      }
    return this.graphs.run(0, feeds);
  }

  /** Rows of the picture by the last graph. */
  band({ data, dims: [, levels, height, width] }, above, below) {
    const rows = below - above;
    const features = new Float32Array(levels * rows * width);
    for (let c = 0; c < levels; c++)
      features.set(data.subarray((c * height + above) * width, (c * height + below) * width), c * rows * width);
    return this.graphs.run(this.manifest.motion ? 1 : this.graphs.length - 1, { ...this.tensors, features: this.float(features, [1, levels, rows, width]) });
  }

  /** Rows of the picture by graphs without latents, one after the other. */
  async chain(above, below) {
    const { height, width, frames } = this.signal;
    const along = (first, end) => this.float(Float32Array.from({ length: end - first }, (_, i) => first + i), [end - first]);
    const feeds = {
      frame: this.float([this.frame], [1]),
      frames: this.float([frames], [1]),
      rows: along(above, below),
      columns: along(0, width),
      size: this.float([height, width], [2]),
      ...this.tensors,
    };
    for (let i = 0; i < this.graphs.length; i++) feeds.features = await this.graphs.run(i, feeds);
    return feeds.features;
  }

  float(values, dims) {
    return { data: Float32Array.from(values), dims };
  }
}

/** The kernel's samples of a band's planes. */
function quantized(kernel, { data, dims: [, channels, height, stride] }, skip, rows, width, bytes) {
  const planes = kernel.putFloats(data);
  const samples = kernel.take(Math.ceil((rows * width * channels * bytes) / 4));
  kernel.run.inrc_quantize(planes + 4 * skip * stride, height * stride, stride, channels, bytes, rows, width, samples);
  return kernel.bytes(samples, rows * width * channels * bytes);
}

/** Bytes of 4:2:0, (1, 6, rows, columns). */
function coloured(kernel, { data, dims: [count, six, rows, columns] }, { height, width }) {
  if (count !== 1 || six !== 6 || !(data instanceof Uint8Array) || !(2 * rows >= height && 2 * columns >= width))
    throw new BitstreamError(`wanted bytes of 4:2:0 for ${width}x${height} from a decoder graph, got ${count},${six},${rows},${columns}`);
  const squares = kernel.putBytes(data);
  const rgba = kernel.take(height * width);
  kernel.run.inrc_squares_rgba(squares, rows, columns, height, width, rgba);
  return new Uint8ClampedArray(kernel.bytes(rgba, 4 * height * width).buffer);
}
