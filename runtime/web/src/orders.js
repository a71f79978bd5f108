/** In which order the latents of a grid are coded, and which of those before a latent sees: `orders.py`. */

export const COSETS = [[0, 0], [1, 1], [0, 1], [1, 0]]; // first [row, column] of each, in coding order
export const ORDERS = { raster: 1, parallel: COSETS.length }; // how many networks each has
export const NEIGHBOURS_MAX = 24;
export const MARGIN = 4; // rows and columns that neighbours reach, on a grid of their own kind
export const PARENT = COSETS.length; // stands for the coarser grid among the cosets
const FAR = 5;

/** Causal neighbours [row, column] in raster order, nearest first but for those that make wavefronts steeper. */
export const CAUSAL = [
  ...[[0, -1], [-1, 0], [-1, -1], [-1, 1], [0, -2], [-2, 0], [-1, -2], [-2, -1]],
  ...[[-2, 1], [-2, -2], [-2, 2], [0, -3], [-3, 0], [-2, 3], [-1, 2], [-1, -3]],
  ...[[-1, 3], [-3, -1], [-3, 1], [-2, -3], [-3, -2], [-3, 2], [0, -4], [-4, 0]],
];

/** The least slope at which all `neighbours` lie in earlier wavefronts. */
export function slope(neighbours) {
  const above = neighbours.filter(([dy]) => dy < 0);
  return Math.max(...(above.length ? above.map(([dy, dx]) => Math.floor(dx / -dy) + 1) : [1]));
}

/** What a latent of COSETS[coset] sees, the `count` nearest: [plane, rows away, columns away] each. */
export function around(coset, count) {
  const near = [];
  const [row, column] = COSETS[coset];
  for (let dy = -FAR; dy <= FAR; dy++)
    for (let dx = -FAR; dx <= FAR; dx++) if (coset === 0 || planeOf(row + dy, column + dx) < coset) near.push([dy, dx]);
  near.sort(([ay, ax], [by, bx]) => ay ** 2 + ax ** 2 - by ** 2 - bx ** 2 || Math.abs(ay) - Math.abs(by) || ay - by || ax - bx);
  return near.slice(0, count).map(([dy, dx]) => {
    if (coset === 0) return [PARENT, dy, dx];
    return [planeOf(row + dy, column + dx), (row + dy) >> 1, (column + dx) >> 1];
  });
}

function planeOf(y, x) {
  return COSETS.findIndex(([row, column]) => row === (y & 1) && column === (x & 1));
}
