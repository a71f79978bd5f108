/** The kernel (`kernel.c`, `tables.c`, `synthesis.c`) as WebAssembly: its memory, its range decoder, its loops. */

import { BitstreamError } from "./wire.js";

const PRECISION = 24;
const TABLE_ROWS = 1024;
const TABLE_COLUMNS = 65; // cumulative frequencies
const LANES = 32; // values that the kernel reads, and ignores, behind the last
const PAGE = 65_536; // bytes
const KEPT_MAX = 2 ** 28; // bytes of memory that wait for the next picture

let shared = null; // a promise of the compiled module
let idle = null; // an instance that waits for the next picture

/** Compile the module: from bytes, a Response or a promise of it; by default from the file beside this one. */
export function load(source = fetch(new URL("decoder.wasm", import.meta.url))) {
  shared = Promise.resolve(source).then((it) =>
    it instanceof Response ? WebAssembly.compileStreaming(it).catch(() => refused(it)) : WebAssembly.compile(it),
  );
  return shared;
}

function refused(response) {
  throw new Error(`wanted decoder.wasm as application/wasm and leave to compile it, got ${response.status} from ${response.url}`);
}

/** Run `task(kernel)`, which does not wait for anything, on an instance of the module. */
export async function withKernel(task) {
  const kernel = idle ?? new Kernel(await WebAssembly.instantiate(await (shared ?? load())));
  idle = null;
  kernel.reset();
  let sound = false;
  try {
    const result = task(kernel);
    sound = true;
    return result;
  } catch (error) {
    sound = error instanceof BitstreamError;
    throw error;
  } finally {
    if (sound && kernel.memory.buffer.byteLength <= KEPT_MAX) idle = kernel;
  }
}

class Kernel {
  constructor(instance) {
    this.run = instance.exports;
    this.memory = this.run.memory;
    this.top = this.run.__heap_base.value;
    this.likeliest = this.take(TABLE_ROWS);
    this.table = this.take(TABLE_ROWS * TABLE_COLUMNS);
    this.run.inrc_tables(this.likeliest, this.table);
    this.bottom = this.top;
  }

  /** Forget all that was taken, but for the tables. */
  reset() {
    this.top = this.bottom;
  }

  /** The address of `count` values of four bytes, of any content; what is taken is forgotten together. */
  take(count) {
    const address = (this.top + 15) & ~15;
    const end = (address >>> 0) + 4 * count;
    const lacking = end - this.memory.buffer.byteLength;
    if (lacking > 0) {
      try {
        this.memory.grow(Math.ceil(lacking / PAGE));
      } catch {
        throw new BitstreamError(`wanted ${Math.ceil(end / 2 ** 20)} MiB of memory for this picture, got less`);
      }
    }
    this.top = end;
    return address >>> 0;
  }

  zeros(count) {
    const address = this.take(count);
    this.int32(address, count).fill(0);
    return address;
  }

  /** A view, until more memory is taken. */
  int32(address, count) {
    return new Int32Array(this.memory.buffer, address, count);
  }

  put(values) {
    const address = this.take(values.length);
    this.int32(address, values.length).set(values);
    return address;
  }

  putFloats(values) {
    const address = this.take(values.length);
    new Float32Array(this.memory.buffer, address, values.length).set(values);
    return address;
  }

  putBytes(values) {
    const address = this.take(Math.ceil(values.length / 4));
    new Uint8Array(this.memory.buffer, address, values.length).set(values);
    return address;
  }

  /** A copy. */
  bytes(address, count) {
    return new Uint8Array(this.memory.buffer, address, count).slice();
  }

  /** Decode from `data` on. */
  begin(data) {
    const address = this.putBytes(data);
    this.coder = this.take(Math.ceil(this.run.inrc_coder_size() / 4));
    this.run.inrc_begin(this.coder, address, data.length);
  }

  /** From here on latents may be lacking, and are guessed. Raises BitstreamError where something has been lacking already. */
  guess() {
    if (this.run.inrc_beyond(this.coder))
      throw new BitstreamError("truncated: wanted all networks in the part of the file that is there");
    this.run.inrc_guess(this.coder);
  }

  check(failed) {
    if (failed) throw new BitstreamError("wanted a range-coded stream, got data that no encoder writes");
  }

  decoded(wanted, decode) {
    const before = this.top;
    const address = this.put(wanted);
    const out = this.take(wanted.length);
    this.check(decode(address, wanted.length, out));
    const values = this.int32(out, wanted.length).slice();
    this.top = before;
    return values;
  }

  /** 1 where a symbol is not the likeliest of its table row. */
  flags(rows) {
    return this.decoded(rows, (...where) => this.run.inrc_flags(this.coder, this.likeliest, ...where));
  }

  /** A column of each row, of the Laplace tables or of one that is given by its rows' cumulative frequencies. */
  tabled(rows, table = null) {
    const before = this.top;
    const address = table ? this.put(table.flat()) : this.table;
    const columns = this.decoded(rows, (...where) => this.run.inrc_tabled(this.coder, address, ...where));
    this.top = before;
    return columns;
  }

  /** Integers below `sizes`, all equally likely. */
  uniform(sizes) {
    return this.decoded(sizes, (...where) => this.run.inrc_uniform(this.coder, ...where));
  }

  integer(size) {
    if (size > 2 ** PRECISION) throw new BitstreamError(`wanted a choice among at most ${2 ** PRECISION}, got ${size}`);
    return this.uniform([size])[0];
  }

  /** A context network as the kernel takes it: weights one row per output. */
  network({ head, headBias, second, secondBias, last, inputs, width }) {
    return this.put([...[head, headBias, second, secondBias, last].map((values) => this.put(values)), inputs, width]);
  }

  /** The address of a grid (h, w) in raster order; `inter` is that of features an octave coarser, or 0. */
  wavefronts(network, neighbours, height, width, slope, inter) {
    const grid = this.take(height * width);
    const before = this.top;
    const near = this.put(neighbours.flat());
    const scratch = this.zeros(this.run.inrc_wavefronts_scratch(height, width, slope) >>> 0);
    const model = [this.coder, this.likeliest, this.table, network, near, neighbours.length];
    this.check(this.run.inrc_wavefronts(...model, height, width, slope, inter, scratch, grid));
    this.top = before;
    return grid;
  }

  /** Latents (h, w) that are independent of each other; `views` are [address, stride] of what the network sees. */
  coset(network, inputs, views, height, width) {
    const none = this.zeros(width + LANES);
    const all = Array.from({ length: inputs }, (_, k) => views[k] ?? [none, 0]);
    const out = this.take(height * width);
    const pointers = this.put(all.map(([address]) => address));
    const strides = this.put(all.map(([, stride]) => stride));
    const scratch = this.take(this.run.inrc_coset_scratch(height, width) >>> 0);
    const model = [this.coder, this.likeliest, this.table, network];
    this.check(this.run.inrc_coset(...model, pointers, strides, height, width, scratch, out));
    return out;
  }

  /** Inter-grid features (n, h, w) of the grids `seen`, by weights (n, grids) and a bias (n,). */
  inter({ weights, bias }, height, width, seen) {
    const out = this.take(bias.length * height * width + LANES);
    const before = this.top;
    const layer = [this.put(weights), this.put(bias), seen.length, bias.length, height, width];
    const grids = this.put(seen.map(({ grid }) => grid.address));
    const sizes = this.put(seen.flatMap(({ grid }) => [grid.height, grid.width]));
    const shifts = this.put(seen.map(({ octaves }) => octaves));
    const scratch = this.zeros(seen.length * (width + LANES));
    this.run.inrc_inter(...layer, grids, sizes, shifts, scratch, out);
    this.top = before;
    return out;
  }
}
