/** A segment: everything that one neural representation's payload carries. `segment.py`. */

import { codeGrids, contextModel } from "./context.js";
import { codeModel } from "./entropy.js";
import { PIXELS_MAX } from "./syntax.js";
import { BitstreamError, Reader } from "./wire.js";

const EXPONENTS = 32; // a step is 2**-exponent
const WEIGHTS_MAX = 2 ** 24; // values over all tensors of a segment
const FRAME_MIN = 2 ** 14; // pixels that a frame counts at least: it has many grids
export const FIELDS = 5; // of motion
export const PAIR = 2; // grids for colour on a level that has them
export const NEEDS_BASE = new Error("wanted a clip's first segment, to which this one is differences");
const STREAM_MAX = 2 ** 28; // bytes of one of its streams, where there are several

/**
 * The sizes, the tensors by name {shape, symbols, exponent, values()} and the grids in coding order of a payload. Of a `partial`
 * one the rest is guessed. Of a framewise profile what travels frame by frame is still in `streams`: `readFrame` has it. Segments
 * after a clip's first may be differences to it: `base`, or, not to read that in vain, `later`; what needs it then is thrown
 * NEEDS_BASE.
 */
export function readSegment(kernel, manifest, signal, payload, { partial = false, later = false, base = null } = {}) {
  if (manifest.levels && signal.frames > 1 && !manifest.motion)
    throw new BitstreamError(`wanted one frame with ${manifest.name}, got ${signal.frames}`);
  if (manifest.levels && signal.frames * Math.max(FRAME_MIN, signal.height * signal.width) > PIXELS_MAX)
    throw new BitstreamError(`wanted latents of at most ${PIXELS_MAX} pixels, got ${signal.frames} frames`);
  const [shared, ...streams] = manifest.framewise ? codeStreams(payload, 1 + signal.frames) : [payload];
  kernel.begin(shared);
  const sizes = { channels: signal.channels, frames: signal.frames };
  for (const [name, most] of manifest.sizes) sizes[name] = kernel.integer(most) + 1;
  const groups = groupsOf(manifest, sizes);
  const parameters = groups.flatMap(({ members }) => members).reduce((sum, { count }) => sum + count, 0);
  if (parameters > WEIGHTS_MAX)
    throw new BitstreamError(`wanted at most ${WEIGHTS_MAX} network parameters, got ${parameters}`);
  for (const group of groups) {
    if (later && !group.alone && kernel.integer(2)) codeDifferences(kernel, group, base);
    else codeGroup(kernel, group, manifest.counts?.[group.name]);
  }
  const tensors = new Map(groups.filter(({ alone }) => !alone).flatMap(({ tensors }) => tensors));
  if (partial) kernel.guess();
  const models = new Map();
  const grids = kinds(manifest, signal).flatMap((kind) => {
    if (!models.has(kind.prefix)) models.set(kind.prefix, contextModel(manifest.order, named(tensors, kind.prefix)));
    return codeGrids(kernel, models.get(kind.prefix), kind);
  });
  return { sizes, groups, tensors, grids, streams };
}

/** The tensors of a frame that travel alone. */
export function readFrame(kernel, { groups, streams }, frame) {
  kernel.begin(streams[frame]);
  return new Map(groups.filter(({ alone }) => alone).flatMap((group) => (codeSymbols(kernel, group), group.tensors)));
}

/** That of all frames, then each frame's. */
function codeStreams(payload, count) {
  const wire = new Reader(payload);
  const streams = Array.from({ length: count }, () => wire.blob(STREAM_MAX));
  if (wire.position !== payload.length)
    throw new BitstreamError(`wanted ${wire.position} bytes of streams, got ${payload.length}`);
  return streams;
}

/** Tensors that share a step and a model, in the order of the stream; `alone` are those of one row that travel frame by frame. */
function groupsOf(manifest, sizes) {
  const groups = new Map();
  for (const [name, dimensions, group] of manifest.tensors) {
    if (!groups.has(group)) groups.set(group, { name: group, members: [], alone: Boolean(manifest.framewise) });
    const found = groups.get(group);
    found.members.push({ name, dimensions });
    found.alone &&= dimensions[0] === "frames";
  }
  for (const group of groups.values())
    for (const member of group.members) {
      member.shape = member.dimensions.map((size, i) => (group.alone && i === 0 ? 1 : dimension(size, sizes)));
      member.count = member.shape.reduce((a, b) => a * b, 1);
    }
  return [...groups.values()];
}

/** A number, or a sum of names of sizes. */
function dimension(size, sizes) {
  if (typeof size === "number") return size;
  return size.split("+").reduce((sum, name) => sum + sizes[name], 0);
}

/** Tensors whose names begin with `prefix`, by what follows it. */
function named(tensors, prefix) {
  const found = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/**
 * Grids that are coded in a row, in coding order: the first frame's, those for colour before the others; of each other frame what is
 * added to it, and its motion.
 */
export function kinds({ levels, hyper, motion, chroma = [] }, signal) {
  if (!levels) return [];
  const shapes = gridShapes(signal, levels);
  const colour = chroma.flatMap((level) => Array(PAIR).fill(shapes[level]));
  const first = [...(colour.length ? [{ prefix: "", shapes: colour, alone: true }] : []), { prefix: "", shapes, hyper }];
  const flow = motion && { prefix: "flow.", shapes: shapes.slice(motion.flow) };
  const frame = motion ? [{ prefix: "added.", shapes: shapes.slice(motion.added) }, ...Array(FIELDS).fill(flow)] : [];
  return [...first, ...Array(signal.frames - 1).fill(frame).flat()];
}

/** Of each latent level, finest first: the sizes halve, rounded up. */
function gridShapes({ height, width }, levels) {
  return Array.from({ length: levels }, (_, k) => ({ height: ((height - 1) >> k) + 1, width: ((width - 1) >> k) + 1 }));
}

/** A step exponent, an entropy model's record, and, unless they travel alone, the symbols. */
function codeGroup(kernel, group, counts) {
  const { members, alone } = group;
  group.exponent = kernel.integer(EXPONENTS);
  group.model = codeModel(kernel, counts, alone ? [] : members.map(({ count }) => count), group.exponent);
  if (!group.alone) codeSymbols(kernel, group);
}

/** An entropy model's record, and by how much symbols differ from those of the `base`, whose step and model they have. */
function codeDifferences(kernel, group, base) {
  if (!base) throw NEEDS_BASE;
  const first = base.groups.find(({ name }) => name === group.name);
  const shapes = ({ members }) => JSON.stringify(members.map(({ shape }) => shape));
  if (shapes(first) !== shapes(group))
    throw new BitstreamError(`wanted differences of tensors ${shapes(first)} as the first segment has them, got ${shapes(group)}`);
  const differences = codeModel(kernel);
  Object.assign(group, { exponent: first.exponent, model: first.model });
  const found = differences.code(kernel, first.all.length);
  share(group, known(first.model, found.map((difference, i) => first.all[i] + difference)));
}

function codeSymbols(kernel, group) {
  share(group, known(group.model, group.model.code(kernel, group.members.reduce((sum, { count }) => sum + count, 0))));
}

/** `symbols`, if the model has such ones. */
function known(model, symbols) {
  const [least, most] = model.range;
  const wrong = symbols.find((symbol) => symbol < least || symbol > most);
  if (wrong !== undefined) throw new BitstreamError(`wanted symbols from ${least} to ${most}, got ${wrong}`);
  return symbols;
}

/** Give each tensor its part of the symbols of all in a row. */
function share(group, all) {
  const { members, model } = group;
  let at = 0;
  group.all = all;
  group.tensors = members.map(({ name, shape, count }, i) => {
    const symbols = all.subarray(at, (at += count));
    const exponent = model.record.exponents?.[i] ?? group.exponent;
    return [name, { shape, symbols, exponent, values: () => model.values(symbols, exponent) }];
  });
}
