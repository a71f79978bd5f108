/** Entropy models: what the symbols of a group of tensors are coded with. `entropy.py` says more; here they are read alone. */

import { BitstreamError } from "./wire.js";

const PRECISION = 24;
const REACH = 31;
const SCALES = 64;
const SCALES_PER_OCTAVE = 8;
const SCALE_INDICES = 192;
const ESCAPE_BITS = 25;
const TAGS = 16;
const SYMBOL_MAX = 2 ** 23 - 1;
const HALF_OCTAVE = 4;
const FINER = 40; // a scale, as the next, of what the record of tensors apart is made of
const LARGER = 48;

const HALVES = [0, 2 ** 16 - 1];

const scaled = (symbols, exponent) => Float32Array.from(symbols, (symbol) => Math.fround(symbol) * 2 ** -exponent);
const stepped = (symbols, exponent, { step }) => {
  const [size] = halves([step]);
  return Float32Array.from(symbols, (symbol) => Math.fround(symbol) * size);
};
const half = (coder, n) => Float64Array.from(coder.uniform(new Int32Array(n).fill(1 << 16)));
const laplace = (coder, n, { scale }) => codeLaplace(coder, n, scale);

/**
 * By tag: the fields of its record with their bounds, `code(coder, n, record)`, `values(symbols, exponent, record)`, and, unless
 * it is all that there is, the `range(record)` of symbols that it knows.
 */
const MODELS = {
  0: { fields: {}, code: (_, n) => new Float64Array(n), values: scaled }, // zeros
  1: { fields: { scale: SCALE_INDICES }, code: laplace, values: scaled }, // laplace
  2: { // bits
    fields: { width: 25 },
    code: (coder, n, { width }) => Float64Array.from(coder.uniform(new Int32Array(n).fill(2 ** width))),
    values: scaled,
    range: ({ width }) => [0, 2 ** width - 1],
  },
  3: { fields: {}, code: half, values: halves, range: () => HALVES }, // half
  4: { fields: { scale: SCALE_INDICES, step: 1 << 16 }, code: laplace, values: stepped }, // stepped
  5: { // sparse half
    fields: { scale: SCALES },
    code: (coder, n, { scale }) => codeSparse(coder, n, scale, half),
    values: halves,
    range: () => HALVES,
  },
  6: { fields: {}, code: codeStatic, values: scaled }, // static
  7: { // sparse stepped
    fields: { scale: SCALE_INDICES, step: 1 << 16, there: SCALES },
    code: (coder, n, record) => codeSparse(coder, n, record.there, (coder, n) => codeLaplace(coder, n, record.scale)),
    values: stepped,
  },
  8: { fields: { scale: SCALE_INDICES }, code: codeApart, values: scaled }, // apart
};

/**
 * A model with its record's fields; `counts` are a static one's histograms, `sizes` of the tensors that one may set apart, whose
 * group has steps of 2**-exponent.
 */
export function codeModel(coder, counts = [], sizes = [], exponent = 0) {
  const tag = coder.integer(TAGS);
  if (!(tag in MODELS)) throw new BitstreamError(`wanted an entropy model of ${Object.keys(MODELS)}, got ${tag}`);
  const model = MODELS[tag];
  const record = { counts, sizes, exponent };
  for (const [name, size] of Object.entries(model.fields)) record[name] = coder.integer(size);
  return {
    record,
    code: (coder, n) => model.code(coder, n, record),
    values: (symbols, exponent) => model.values(symbols, exponent, record),
    range: model.range?.(record) ?? [-SYMBOL_MAX, SYMBOL_MAX],
  };
}

/** Each tensor's steps, which the record then has, and scale, before its symbols. */
function codeApart(coder, _, record) {
  const { scale, sizes, exponent } = record;
  const read = (each, from, by) => codeLaplace(coder, sizes.length, each).map((more) => from + by * more);
  const exponents = (record.exponents = read(FINER, exponent, 1));
  const scales = read(LARGER, scale, HALF_OCTAVE);
  if (!sizes.length || exponents.some((each) => each >>> 5) || scales.some((each) => each >>> 0 >= SCALE_INDICES))
    throw new BitstreamError(`wanted steps and scales, got 2**-${exponents}, ${scales}`);
  return Float64Array.from(sizes.flatMap((n, i) => [...codeLaplace(coder, n, scales[i])]));
}

/** n zero-mean Laplace symbols; of a scale beyond the tables' the bits below travel as they are. */
function codeLaplace(coder, n, scale) {
  const shift = scale < SCALES ? 0 : Math.floor((scale - SCALES + SCALES_PER_OCTAVE) / SCALES_PER_OCTAVE);
  const symbols = codeResiduals(coder, n, (scale - SCALES_PER_OCTAVE * shift) << 4);
  if (shift === 0) return symbols;
  const low = coder.uniform(new Int32Array(n).fill(2 ** shift));
  return symbols.map((high, i) => high * 2 ** shift - 2 ** (shift - 1) + low[i]);
}

/** Which are their row's likeliest, zero here, then the others, then those beyond REACH. */
function codeResiduals(coder, n, row) {
  const symbols = new Float64Array(n);
  const missed = indices(coder.flags(new Int32Array(n).fill(row)), (flag) => flag === 1);
  if (!missed.length) return symbols;
  const found = Float64Array.from(coder.tabled(new Int32Array(missed.length).fill(row)), (column) => column - REACH);
  const escaped = indices(found, (residual) => residual > REACH);
  const far = codeEscapes(coder, escaped.length);
  escaped.forEach((at, i) => (found[at] = far[i]));
  missed.forEach((at, i) => (symbols[at] = found[i]));
  return symbols;
}

/** Twice the excess plus the sign, as its length in bits and those bits. */
function codeEscapes(coder, n) {
  const leading = coder.uniform(new Int32Array(n).fill(ESCAPE_BITS)).map((length) => (1 << length) >> 1);
  const below = coder.uniform(leading.map((size) => Math.max(size, 1)));
  return Array.from(leading, (size, i) => {
    const folded = size + below[i];
    return (Math.floor(folded / 2) + REACH + 1) * (folded % 2 ? -1 : 1);
  });
}

function codeSparse(coder, n, scale, code) {
  const there = indices(coder.flags(new Int32Array(n).fill(scale << 4)), (flag) => flag === 1);
  const found = code(coder, there.length);
  const symbols = new Float64Array(n);
  there.forEach((at, i) => (symbols[at] = found[i]));
  return symbols;
}

function codeStatic(coder, n, { counts }) {
  if (!counts.length || n % counts.length)
    throw new BitstreamError(`wanted histograms of equal parts of ${n} symbols, the profile has ${counts.length}`);
  const rows = Int32Array.from({ length: n }, (_, i) => Math.floor((i * counts.length) / n));
  return Float64Array.from(coder.tabled(rows, counts.map(cumulative)), (column) => column - REACH);
}

/** Cumulative frequencies of a histogram of symbols from -(n >> 1) on: `tables.histogram`. */
function cumulative(counts) {
  const columns = 2 * REACH + 2;
  const frequencies = new Array(columns).fill(0n);
  counts.forEach((count, i) => (frequencies[REACH - (counts.length >> 1) + i] = BigInt(count)));
  const most = frequencies.indexOf(frequencies.reduce((a, b) => (b > a ? b : a)));
  const total = frequencies.reduce((a, b) => a + b) || 1n;
  const room = BigInt(2 ** PRECISION - columns);
  const scaledUp = frequencies.map((count) => Number((count * room) / total) + 1);
  scaledUp[most] += 2 ** PRECISION - scaledUp.reduce((a, b) => a + b);
  let sum = 0;
  return [0, ...scaledUp.map((frequency) => (sum += frequency))];
}

function indices(values, wanted) {
  const found = [];
  for (let i = 0; i < values.length; i++) if (wanted(values[i])) found.push(i);
  return found;
}

/** Half floats by their bits. Raises BitstreamError for what is no number. */
function halves(symbols) {
  return Float32Array.from(symbols, (bits) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) throw new BitstreamError("wanted finite weights, got infinity or no number");
    const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    return bits & 0x8000 ? -size : size;
  });
}
