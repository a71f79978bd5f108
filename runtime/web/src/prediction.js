/** Frames that are predicted from others: `prediction.py`, `hierarchy.py`. */

import { FIELDS } from "./segment.js";

const ADDED = "added."; // what the names of the prediction's tensors begin with
const KEPT = 12; // frames that others may need
const [FLOW, PREDICTION] = [2, 3]; // graphs, after a step of upsampling and the synthesis

/** A segment's frames, in any order. `make(grids)` is a synthesis (`onnx.js`) of grids in coding order. */
export class Prediction {
  #kept = new Map(); // promises of the latest references, by number

  constructor(manifest, signal, grids, make) {
    const { levels, hyper, motion } = manifest;
    let at = levels + hyper;
    const next = (count) => grids.slice(at, (at += count));
    this.first = make(grids.slice(0, at));
    this.latents = new Map(
      hierarchy(signal.frames, motion.period).map((each) => {
        const added = next(levels - motion.added);
        return [each.number, { ...each, added, flow: Array.from({ length: FIELDS }, () => next(levels - motion.flow)) }];
      }),
    );
    const own = Object.entries(this.first.tensors).filter(([name]) => name.startsWith(ADDED));
    this.own = Object.fromEntries(own.map(([name, tensor]) => [name.slice(ADDED.length), tensor]));
    Object.assign(this, { levels, signal });
  }

  /** {samples, data} */
  async picture(number, samples) {
    return this.first.shown(await this.#image(number), samples);
  }

  /** (1, channels, height, width), near [0, 1] but not clipped. */
  async #image(number) {
    const { channels, height, width } = this.signal;
    if (number === 0) return this.#whole();
    const { before, after, place, added, flow } = this.latents.get(number);
    const references = new Float32Array(2 * channels * height * width);
    references.set(await this.#reference(before));
    references.set(await this.#reference(after), references.length / 2);
    return this.first.graphs.run(PREDICTION, {
      ...this.own,
      references: this.first.float(references, [2, channels, height, width]),
      place: this.first.float([place], [1]),
      features: await this.#features(added),
      motion: await this.#motion(flow),
    });
  }

  /** The first frame, of its bands. */
  async #whole() {
    const { channels, height, width } = this.signal;
    const data = new Float32Array(channels * height * width);
    for await (const { image, skip, top, bottom } of this.first.bands())
      for (let c = 0; c < channels; c++) {
        const start = (c * image.dims[2] + skip) * width;
        data.set(image.data.subarray(start, start + (bottom - top) * width), (c * height + top) * width);
      }
    return this.first.float(data, [1, channels, height, width]);
  }

  /** A frame as others see it. */
  #reference(number) {
    const made = this.#kept.get(number) ?? this.#image(number).then(({ data }) => data.map((x) => Math.min(Math.max(x, 0), 1)));
    made.catch(() => this.#kept.delete(number));
    this.#kept.delete(number);
    this.#kept.set(number, made);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return made;
  }

  /** (1, levels, height, width); grids that are not there are zero. */
  async #features(grids) {
    let stack = grids[0];
    for (let level = this.levels - 2; level >= 0; level--)
      stack = await this.first.doubled(stack, grids[this.levels - 1 - level] ?? this.#zeros(level), level);
    return stack;
  }

  #zeros(level) {
    const [height, width] = [this.signal.height, this.signal.width].map((side) => ((side - 1) >> level) + 1);
    return this.first.float(new Float32Array(height * width), [1, 1, height, width]);
  }

  /** (1, FIELDS, h, w) */
  async #motion(fields) {
    const [coarsest, ...finer] = fields[0].map((_, i) => this.#stacked(fields.map((grids) => grids[i])));
    let motion = coarsest;
    for (const grids of finer) motion = await this.first.graphs.run(FLOW, { features: motion, finer: grids });
    return motion;
  }

  #stacked(grids) {
    const [, , height, width] = grids[0].dims;
    const data = new Float32Array(grids.length * height * width);
    grids.forEach((grid, i) => data.set(grid.data, i * height * width));
    return this.first.float(data, [1, grids.length, height, width]);
  }
}

/** All frames but the first, those that others are predicted from before these. */
function hierarchy(frames, period) {
  const anchors = [...new Set([...Array(Math.ceil(frames / period)).keys()].map((k) => k * period).concat(frames - 1))];
  return anchors.slice(1).flatMap((after, i) => {
    const order = [{ number: after, before: anchors[i], after: anchors[i], place: 0.5 }];
    const gaps = [[anchors[i], after]];
    for (const [first, last] of gaps) {
      if (last - first < 2) continue;
      const middle = Math.floor((first + last) / 2);
      order.push({ number: middle, before: first, after: last, place: (middle - first) / (last - first) });
      gaps.push([first, middle], [middle, last]);
    }
    return order;
  });
}
