/** The manifests of `pyramid`'s profiles by their numbers on the wire: what their graphs say of themselves. */

import { PAIR } from "./segment.js";

const HYPER = 3; // the coarsest levels have hyper-latents too
const INTER_GRIDS = 3;
const MIXED = 3; // features of a level that is mixed
const LEVELS = [7, 8, 9];
const KINDS = [
  { first: 1, order: "raster", chroma: [] },
  { first: 4, order: "parallel", chroma: [] },
  { first: 26, order: "raster", chroma: [2, 3] }, // levels with a pair of grids for colour
  { first: 29, order: "raster", chroma: [2, 3], mixed: [1, 2] }, // and levels that are mixed
];

/** Of profile `number`, or null where it is not one of `pyramid`'s. */
export function manifestOf(number) {
  const kind = KINDS.find(({ first }) => number >= first && number < first + LEVELS.length);
  return kind ? pyramid(LEVELS[number - kind.first], kind.order, kind.chroma, kind.mixed ?? []) : null;
}

function pyramid(levels, order, chroma, mixed) {
  const [networks, width] = order === "raster" ? [1, "neighbours+features"] : [4, "width"];
  const sizes = [["neighbours", 24], ["features", 16], ["hidden", 256]];
  if (order !== "raster") sizes.push(["width", 64]);
  if (mixed.length) sizes.push(["mixing", 32]);
  const context = Array.from({ length: networks }, (_, i) => `context.${i}`);
  const inter = Array.from({ length: INTER_GRIDS }, (_, i) => i);
  const grids = levels + PAIR * chroma.length + MIXED * mixed.length;
  const coarser = (level) => MIXED * mixed.filter((other) => other > level).length;
  const stack = (level) => levels - level + PAIR * chroma.filter((other) => other >= level).length + coarser(level);
  const residuals = ["residual0", "residual1"];
  const tensors = [
    ...context.flatMap((name) => [
      [`${name}.first.weight`, ["neighbours+features", width], "context.weight"],
      [`${name}.second.weight`, [width, width], "context.weight"],
      [`${name}.last.weight`, [width, 2], "context.weight"],
      [`${name}.skip.weight`, ["neighbours+features", 2], "context.weight"],
    ]),
    ...context.flatMap((name) => [
      [`${name}.first.bias`, [width], "context.bias"],
      [`${name}.second.bias`, [width], "context.bias"],
      [`${name}.last.bias`, [2], "context.bias"],
    ]),
    ...inter.map((i) => [`inter.${i}.weight`, [levels + HYPER - 1 - i, "features"], "inter.weight"]),
    ...inter.map((i) => [`inter.${i}.bias`, ["features"], "inter.bias"]),
    ["upsampling.kernels", [levels - 1, 4], "upsampling"],
    ["upsampling.filters", [levels - 1, 4], "upsampling"],
    ...mixed.flatMap((level) => [
      [`mixing${level}.first.weight`, ["mixing", stack(level)], "mixing.first"],
      [`mixing${level}.first.bias`, ["mixing"], "mixing.bias"],
      [`mixing${level}.last.weight`, [MIXED, "mixing", 3, 3], "mixing.last"],
    ]),
    ["synthesis.hidden.weight", ["hidden", grids], "synthesis.weight"],
    ["synthesis.pixel.weight", ["channels", "hidden"], "synthesis.weight"],
    ["synthesis.skip.weight", ["channels", grids], mixed.length ? "synthesis.skip" : "synthesis.weight"],
    ...residuals.map((name) => [`synthesis.${name}.weight`, ["channels", "channels", 3, 3], "synthesis.weight"]),
    ...["hidden", "channels"].map((size, i) => [`synthesis.${["hidden", "pixel"][i]}.bias`, [size], "synthesis.bias"]),
    ...residuals.map((name) => [`synthesis.${name}.bias`, ["channels"], "synthesis.bias"]),
  ];
  const kind = mixed.length ? "_mixed" : chroma.length ? "_chroma" : "";
  const name = `pyramid${levels}${order === "raster" ? "" : `_${order}`}${kind}`;
  const others = { ...(chroma.length && { chroma }), ...(mixed.length && { mixed }) };
  return { name, sizes, tensors, levels, hyper: HYPER, halo: 2, order, method: "pyramid", ...others };
}
