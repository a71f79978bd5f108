/** The engine of every method but `pyramid`: its graphs by onnxruntime-web. Loaded when such a file is met. */

import { rgbaOf } from "./rgba.js";
import { BitstreamError } from "./wire.js";

const BAND_PIXELS = 2 ** 15; // rows that a graph makes at a time hold about so many
const LEARNED = { kernel: "upsampling.kernels", filter: "upsampling.filters" };
const KNOWN = ["name", "sizes", "tensors", "levels", "hyper", "halo", "order", "counts", "method", "macs", "framewise", "squares"];
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
  const graphs = await Promise.all(names.map((graph) => fetched(new URL(graph, profiles))));
  const manifest = manifestIn(graphs[0]);
  const ort = await runtime(folder);
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "extended" };
  const sessions = await Promise.all(graphs.map((graph) => ort.InferenceSession.create(graph, options)));
  return {
    manifest,
    prepare: (kernel, signal, segment) => prepared(ort, kernel, segment),
    paint: (ready, signal, frame, own, samples) => {
      const tensors = { ...ready.tensors, ...feeds(ort, own) };
      return new Synthesis(ort, sessions, withKernel, manifest, signal, { ...ready, tensors }, frame).picture(samples);
    },
  };
}

async function runtime(folder) {
  let ort;
  try {
    ort = await import(new URL("ort.wasm.min.mjs", folder).href);
  } catch (error) {
    throw new Error(`this method needs onnxruntime-web in ${folder.href}: ${error.message}`);
  }
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.numThreads = 1; // more would need cross-origin isolation, and scripts from blobs
  return ort;
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

/** [number, value] of a protobuf message's fields of bytes. */
function* fields(message) {
  let at = 0;
  const varint = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      value += (message[at] & 127) * unit;
      if (message[at++] < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const kind = key % 8;
    if (kind === 0) varint();
    else if (kind === 2) {
      const size = varint();
      yield [Math.floor(key / 8), message.subarray(at, at + size)];
      at += size;
    } else at += kind === 1 ? 8 : 4;
  }
}

/** Tensors by name, and grids in coding order, out of the kernel's memory. */
function prepared(ort, kernel, { tensors, grids }) {
  return {
    tensors: feeds(ort, tensors),
    grids: grids.map(({ address, height, width }) => {
      const symbols = Float32Array.from(kernel.int32(address, height * width));
      return new ort.Tensor("float32", symbols, [1, 1, height, width]);
    }),
  };
}

function feeds(ort, tensors) {
  const ready = [...tensors].map(([name, tensor]) => [name, new ort.Tensor("float32", tensor.values(), tensor.shape)]);
  return Object.fromEntries(ready);
}

/** One frame by a profile's graphs, as `synthesis.py` makes it. */
class Synthesis {
  constructor(ort, sessions, withKernel, manifest, signal, { tensors, grids }, frame) {
    Object.assign(this, { ort, sessions, withKernel, manifest, signal, tensors, frame });
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
      const band = await this.withKernel((kernel) => quantized(kernel, image, top - above, bottom - top, width, bytes));
      all.set(band, top * width * channels * bytes);
    }
    const data = await this.withKernel((kernel) => rgbaOf(kernel, kernel.putBytes(all), this.signal));
    return { data, ...(wanted && { samples: bytes === 1 ? all : new Uint16Array(all.buffer) }) };
  }

  /** The stack of all grids at the finest one's size, (1, levels, height, width). */
  async stack() {
    let stack = this.grids.at(-1);
    for (let level = this.grids.length - 2; level >= 0; level--) {
      const feeds = { features: stack, finer: this.grids[level] };
      for (const [taken, name] of Object.entries(LEARNED))
        if (name in this.tensors) {
          const { data, dims } = this.tensors[name];
          feeds[taken] = this.float(data.slice(level * dims[1], (level + 1) * dims[1]), [dims[1]]);
        }
      stack = await this.run(0, feeds);
    }
    return stack;
  }

  /** Rows of the picture by the last graph. */
  band({ data, dims: [, levels, height, width] }, above, below) {
    const rows = below - above;
    const features = new Float32Array(levels * rows * width);
    for (let c = 0; c < levels; c++)
      features.set(data.subarray((c * height + above) * width, (c * height + below) * width), c * rows * width);
    return this.run(this.sessions.length - 1, { ...this.tensors, features: this.float(features, [1, levels, rows, width]) });
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
    for (let i = 0; i < this.sessions.length; i++) feeds.features = await this.run(i, feeds);
    return feeds.features;
  }

  float(values, shape) {
    return new this.ort.Tensor("float32", Float32Array.from(values), shape);
  }

  /** A graph's only output, given the tensors that it names. */
  async run(graph, feeds) {
    const session = this.sessions[graph];
    const taken = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
    try {
      return (await session.run(taken))[session.outputNames[0]];
    } catch (error) {
      throw new BitstreamError(`the decoder graph failed on this file's tensors: ${error.message}`);
    }
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
