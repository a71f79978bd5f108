/** The context model: integer networks that say how the next latents are distributed. `context.py`, `network.py`. */

import { CAUSAL, COSETS, MARGIN, NEIGHBOURS_MAX, ORDERS, PARENT, around, slope } from "./orders.js";
import { BitstreamError } from "./wire.js";

const UNIT_BITS = 6;
const WEIGHT_BITS = 8;
const SUM_BITS = UNIT_BITS + WEIGHT_BITS;
const LIMIT = 64;
const TOP = LIMIT << UNIT_BITS;
const EXACT = 2 ** 31; // sums stay below
const INTER_GRIDS = 3; // the finest grids have inter-grid features
const INPUTS_MAX = 64; // of the kernel's networks
const LANES = 32;
const LAYERS = ["first.weight", "first.bias", "second.weight", "second.bias", "last.weight", "last.bias"];

/**
 * The integer networks of a segment's tensors, by name {shape, symbols, exponent}. Raises BitstreamError for parts that do not
 * fit each other, and where a sum could leave 32 bits: the kernel relies on both.
 */
export function contextModel(order, tensors) {
  const networks = Array.from({ length: ORDERS[order] }, (_, i) => networkOf(`context.${i}`, tensors));
  const inter = [...tensors.keys()]
    .filter((name) => /^inter\..*\.weight$/.test(name))
    .map((name) => interOf(name, fixed(tensors, name), fixed(tensors, name.replace(/weight$/, "bias"))));
  const features = inter.length ? inter[0].bias.length : 0;
  const [neighbours] = networks.map(({ inputs }) => inputs - features);
  if (inter.some(({ bias }) => bias.length !== features) || networks.some(({ inputs }) => inputs !== networks[0].inputs))
    throw new BitstreamError("wanted a context network whose layers fit each other");
  if (neighbours < 1 || neighbours > NEIGHBOURS_MAX)
    throw new BitstreamError(`wanted 1 to ${NEIGHBOURS_MAX} neighbours, got ${neighbours}`);
  const most = Math.max(...inter.map(({ largest }) => largest), ...networks.map(largestSum));
  if (most >= EXACT) throw new BitstreamError(`wanted context sums below ${EXACT}, got up to ${most}`);
  return { order, networks, inter, neighbours };
}

/** {shape, symbols} in the networks' fixed point. */
function fixed(tensors, name) {
  if (!tensors.has(name)) throw new BitstreamError(`wanted a context model with ${name}, got one without`);
  const bits = name.endsWith("bias") ? SUM_BITS : WEIGHT_BITS;
  const { shape, symbols, exponent } = tensors.get(name);
  if (exponent > bits) throw new BitstreamError(`wanted ${name} in steps of at least 2**-${bits}, got 2**-${exponent}`);
  return { shape, symbols: symbols.map((symbol) => symbol * 2 ** (bits - exponent)) };
}

/** Weights one row per output; the second layer with what it adds to; a profile without `skip` has no linear path. */
function networkOf(name, tensors) {
  const [first, firstBias, second, secondBias, last, lastBias] = LAYERS.map((layer) => fixed(tensors, `${name}.${layer}`));
  const [inputs, width] = [first.shape[0], second.shape[0]];
  const none = { shape: [inputs, 2], symbols: new Float64Array(2 * inputs) };
  const skip = tensors.has(`${name}.skip.weight`) ? fixed(tensors, `${name}.skip.weight`) : none;
  const wanted = [[inputs, width], [width], [width, width], [width], [width, 2], [2], [inputs, 2]];
  const got = [first, firstBias, second, secondBias, last, lastBias, skip].map(({ shape }) => shape);
  if (JSON.stringify(got) !== JSON.stringify(wanted) || Math.max(inputs, width) > INPUTS_MAX)
    throw new BitstreamError("wanted a context network whose layers fit each other");
  const residual = transposed(second);
  for (let i = 0; i < width; i++) residual[i * (width + 1)] += 1 << WEIGHT_BITS;
  return {
    head: [...transposed(first), ...transposed(skip)],
    headBias: [...firstBias.symbols, ...lastBias.symbols],
    second: residual,
    secondBias: [...secondBias.symbols],
    last: transposed(last),
    inputs,
    width,
  };
}

/** Weights (grids, features) as the kernel takes them, and the largest sum before it is clipped. */
function interOf(name, weight, bias) {
  if (weight.shape.length !== 2 || weight.shape[1] !== bias.symbols.length)
    throw new BitstreamError("wanted a context network whose layers fit each other");
  const layer = { weights: transposed(weight), bias: [...bias.symbols], grids: weight.shape[0] };
  return { ...layer, largest: Math.max(0, ...peaks(layer.weights, layer.bias, new Array(layer.grids).fill(TOP))) };
}

function transposed({ shape: [rows, columns], symbols }) {
  return Array.from({ length: rows * columns }, (_, i) => symbols[(i % rows) * columns + Math.floor(i / rows)]);
}

/** The largest magnitude of each of a layer's sums, given those of its inputs. */
function peaks(weights, bias, inputs) {
  return bias.map((start, j) =>
    inputs.reduce((sum, peak, k) => sum + peak * Math.abs(weights[j * inputs.length + k]), Math.abs(start)),
  );
}

function largestSum({ head, headBias, second, secondBias, last, inputs, width }) {
  const hidden = (sums) => sums.map((sum) => Math.min(Math.floor(sum / 2 ** WEIGHT_BITS), TOP));
  const sums = peaks(head, headBias, new Array(inputs).fill(TOP));
  const deeper = peaks(second, secondBias, hidden(sums.slice(0, width)));
  const outputs = peaks(last, sums.slice(width), hidden(deeper));
  return Math.max(...sums.slice(0, width), ...deeper, ...outputs);
}

/**
 * Hyper-latents, then latents, both coarse to fine: {address, height, width} each, in the kernel's memory. `shapes` are the
 * latent grids', finest first; the coarsest `hyper` of them have a hyper-latent grid. Grids that are `alone` see nothing of each
 * other.
 */
export function codeGrids(kernel, model, { shapes, hyper = 0, alone = false }) {
  const coarseFirst = [...shapes].reverse();
  const order = [...coarseFirst.slice(0, hyper), ...coarseFirst];
  const networks = model.networks.map((network) => kernel.network(network));
  const grids = [];
  order.forEach(({ height, width }, i) => {
    if (!kernel.integer(2)) {
      grids.push({ address: kernel.zeros(height * width), height, width });
      return;
    }
    const level = order.length - 1 - i;
    const fine = model.inter.length > 0 && !alone && level < Math.min(INTER_GRIDS, shapes.length - 1);
    const inter = fine ? interFeatures(kernel, model.inter[level], shapes, hyper, grids, level) : null;
    const parent = alone || i === 0 || i === hyper ? null : grids.at(-1); // the coarsest of each kind have none
    const address =
      model.order === "raster"
        ? codeWavefronts(kernel, networks[0], model.neighbours, height, width, inter)
        : codeCosets(kernel, networks, model, height, width, parent, inter);
    grids.push({ address, height, width });
  });
  return grids;
}

function interFeatures(kernel, layer, shapes, hyper, grids, level) {
  const seen = coarserGrids(grids, shapes.length, hyper, level);
  if (layer.grids !== seen.length)
    throw new BitstreamError(`wanted inter-grid features of ${seen.length} grids, got ${layer.grids}`);
  const { height, width } = shapes[level + 1];
  return { address: kernel.inter(layer, height, width, seen), size: height * width, width, count: layer.bias.length };
}

/** Of `grids` in coding order those coarser than `level`, each with the octaves between it and level + 1. */
function coarserGrids(grids, levels, hyper, level) {
  const seen = [];
  for (let k = level + 1; k < levels; k++) {
    seen.push({ grid: grids[hyper + levels - 1 - k], octaves: k - level - 1 });
    if (k >= levels - hyper) seen.push({ grid: grids[levels - 1 - k], octaves: k - level - 1 });
  }
  return seen;
}

function codeWavefronts(kernel, network, count, height, width, inter) {
  const near = CAUSAL.slice(0, count);
  return kernel.wavefronts(network, near, height, width, slope(near), inter ? inter.address : 0);
}

/** A grid in four cosets, each coded at once: `cosets.py`. */
function codeCosets(kernel, networks, model, height, width, parent, inter) {
  const grid = kernel.take(height * width);
  const before = kernel.top;
  const stride = ((width + 1) >> 1) + 2 * MARGIN;
  const size = (((height + 1) >> 1) + 2 * MARGIN) * stride;
  const planes = kernel.zeros((COSETS.length + 1) * size + LANES); // with margins, of what the networks see
  const origin = (plane) => planes / 4 + plane * size + MARGIN * (stride + 1);
  if (parent) place(kernel, parent.address / 4, parent.height, parent.width, origin(PARENT), stride);
  COSETS.forEach(([row, column], i) => {
    const [h, w] = [(height - row + 1) >> 1, (width - column + 1) >> 1];
    if (h * w === 0) return;
    const views = around(i, model.neighbours).map(([plane, dy, dx]) => [4 * (origin(plane) + dy * stride + dx), stride]);
    for (let f = 0; inter && f < inter.count; f++) views.push([inter.address + 4 * f * inter.size, inter.width]);
    const start = kernel.top;
    const symbols = kernel.coset(networks[i], model.networks[i].inputs, views, h, w) / 4;
    const all = new Int32Array(kernel.memory.buffer);
    for (let r = 0; r < h; r++)
      for (let c = 0, to = grid / 4 + (2 * r + row) * width + column; c < w; c++, to += 2) all[to] = all[symbols + r * w + c];
    place(kernel, symbols, h, w, origin(i), stride);
    kernel.top = start;
  });
  kernel.top = before;
  return grid;
}

/** Put latents (h, w) on a plane, as inputs of the networks: clipped, in 1/64. */
function place(kernel, from, height, width, to, stride) {
  const all = new Int32Array(kernel.memory.buffer);
  for (let r = 0; r < height; r++)
    for (let c = 0; c < width; c++)
      all[to + r * stride + c] = Math.max(-LIMIT, Math.min(all[from + r * width + c], LIMIT)) << UNIT_BITS;
}
