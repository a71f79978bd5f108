/** A file, parsed but not decoded: frames are when they are wanted. `decoder.InrFile`. */

import { codeFacts } from "./clip.js";
import { withKernel } from "./kernel.js";
import { manifestOf } from "./profiles.js";
import { NEEDS_BASE, readFrame, readSegment } from "./segment.js";
import { check, crc32, inflated, readHeader } from "./syntax.js";
import { paint } from "./synthesis.js";
import { BitstreamError } from "./wire.js";

const FIRST = 2 ** 12; // bytes that are read for a header, at first
const INDEXED = 32; // of the flags, which follow the checksum

/** What makes pictures of `pyramid`: the kernel itself, as soon as it has the symbols. */
const pyramid = (manifest) => ({
  manifest,
  prepare: (kernel, signal, segment) => paint(kernel, signal, manifest, segment),
  paint: (picture) => picture,
});

/**
 * Of a profile: `manifest`, `prepare(kernel, signal, segment)`, and `paint(prepared, signal, frame, own, samples)` -> {samples,
 * data}, where `own` are the tensors that travel with a frame, and without `samples` there may be none.
 */
async function engineOf({ profile }, options) {
  const manifest = manifestOf(profile);
  if (manifest) return pyramid(manifest);
  const { engine } = await import(new URL("onnx.js", import.meta.url).href);
  return engine(profile, withKernel, options);
}

/**
 * Open what `source` (`source.js`) has. Options: `pixelsMax`; `partial`, whether the file may be cut, and what it lacks guessed;
 * `samples`, whether frames have them; `profiles` and `onnxruntime`, where those lie. Raises BitstreamError.
 */
export async function open(source, options = {}) {
  const { header, position } = await headerOf(source, options);
  const sections = await inflated(header.sections);
  const { signal } = header;
  const facts = sections.clip ? codeFacts(sections.clip, signal) : null;
  const index = header.index.length ? header.index : [{ frames: signal.frames, size: Infinity, crc: null }];
  return new InrFile(source, { signal, sections, facts, index, position }, await engineOf(header, options), options);
}

/** As much is read as the header is long, sound included, or all where the checksum is of all. */
async function headerOf(source, options) {
  for (let size = source.size ?? FIRST; ; ) {
    const data = await source.read(0, size);
    const whole = data.length < size || size === source.size;
    const indexed = data[8] & INDEXED;
    if (!indexed && !whole) size = Infinity;
    else
      try {
        return readHeader(data, { ...options, checked: whole && !options.partial });
      } catch (error) {
        if (whole || !error.end) throw error;
        size = error.end > 2 * size ? error.end + FIRST : 2 * size;
      }
  }
}

class InrFile {
  #source;
  #engine;
  #options;
  #segments = new Map(); // by number, the first and the latest one: promises of {segment, prepared}

  constructor(source, parsed, engine, options) {
    Object.assign(this, parsed);
    this.#source = source;
    this.#engine = engine;
    this.#options = options;
    this.frames = this.index.reduce((sum, entry) => sum + entry.frames, 0);
  }

  /** Whether frames travel alone, so that one needs no other. */
  get alone() {
    return Boolean(this.#engine.manifest.framewise);
  }

  /** A frame: {samples, data} of `signal`'s size. Raises BitstreamError; RangeError for a frame that there is not. */
  async read(frame = 0) {
    if (!(frame >= 0 && frame < this.frames)) throw new RangeError(`wanted a frame below ${this.frames}, got ${frame}`);
    let [k, first] = [0, 0];
    while (frame - first >= this.index[k].frames) first += this.index[k++].frames;
    const { segment, prepared, signal } = await this.#segment(k);
    const { framewise } = this.#engine.manifest;
    const own = framewise ? await withKernel((kernel) => readFrame(kernel, segment, frame - first)) : new Map();
    if (this.symbols) for (const [name, { symbols }] of own) this.symbols.tensors[name] = symbols;
    return this.#engine.paint(prepared, signal, frame - first, own, this.#options.samples ?? true);
  }

  /** The k-th segment; the first is kept for good where there are more, since others may be differences to it. */
  #segment(k) {
    if (!this.#segments.has(k)) {
      for (const other of this.#segments.keys()) if (other > 0) this.#segments.delete(other);
      const read = this.#read(k);
      read.catch(() => this.#segments.delete(k));
      this.#segments.set(k, read);
    }
    return this.#segments.get(k);
  }

  async #read(k) {
    const start = this.index.slice(0, k).reduce((sum, { size }) => sum + size, this.position);
    const first = this.index.slice(0, k).reduce((sum, { frames }) => sum + frames, 0);
    const { size, crc, frames } = this.index[k];
    const payload = await this.#source.read(start, start + size);
    const name = `segment ${k} (frames ${first} to ${first + frames - 1})`;
    if (crc !== null) check(crc, crc32(payload), `damaged ${name}`);
    const signal = { ...this.signal, frames };
    const partial = this.#options.partial && crc === null;
    try {
      return await this.#decoded(signal, payload, { partial, later: k > 0 });
    } catch (error) {
      if (error !== NEEDS_BASE) throw error;
    }
    const { segment } = await this.#segment(0).catch(({ message }) => {
      throw new BitstreamError(`${name} is written as differences to segment 0: ${message}`);
    });
    return this.#decoded(signal, payload, { later: true, base: segment });
  }

  #decoded(signal, payload, options) {
    return withKernel((kernel) => {
      const segment = readSegment(kernel, this.#engine.manifest, signal, payload, options);
      if (this.#options.symbols) this.symbols = symbolsOf(kernel, segment);
      return { signal, segment, prepared: this.#engine.prepare(kernel, signal, segment) };
    });
  }
}

/** Tensors' symbols by name, and grids in coding order. */
function symbolsOf(kernel, { tensors, grids }) {
  return {
    tensors: Object.fromEntries([...tensors].map(([name, { symbols }]) => [name, symbols])),
    grids: grids.map(({ address, height, width }) => kernel.int32(address, height * width).slice()),
  };
}
