/** The one of a canvas's colour spaces that an ICC profile (ICC.1:2022) describes: Display P3, or else sRGB. */

const DISPLAY_P3 = { r: [0.5151, 0.2412, -0.0011], g: [0.292, 0.6922, 0.0419], b: [0.1571, 0.0666, 0.7841] }; // XYZ, adapted to D50
const NEAR = 0.003; // of an XYZ
const HALF = 0.214; // of the light is sRGB's 0.5, whose curve Display P3 has
const LIKE = 0.01;

/** "display-p3" or "srgb", as `ImageData` and `getContext` take them. */
export function colorSpaceOf(icc) {
  try {
    return icc && isDisplayP3(new DataView(icc.buffer, icc.byteOffset, icc.length)) ? "display-p3" : "srgb";
  } catch {
    return "srgb"; // it is cut
  }
}

function isDisplayP3(view) {
  const tags = new Map();
  for (let k = 0, at = 132; k < view.getUint32(128); k++, at += 12) tags.set(view.getUint32(at), view.getUint32(at + 4));
  const tag = (name) => tags.get([...name].reduce((code, letter) => 256 * code + letter.charCodeAt(0), 0));
  return Object.entries(DISPLAY_P3).every(([channel, wanted]) => {
    const [colorant, curve] = [tag(`${channel}XYZ`), tag(`${channel}TRC`)];
    if (!colorant || !curve) return false;
    const near = wanted.every((value, i) => Math.abs(fixed(view, colorant + 8 + 4 * i) - value) < NEAR);
    return near && Math.abs(light(view, curve) - HALF) < LIKE;
  });
}

/** s15Fixed16Number */
const fixed = (view, at) => view.getInt32(at) / 65536;

/** Of 0.5, by a curve: a gamma, a table, or, of "para", types 0 and 3. */
function light(view, at) {
  if (view.getUint32(at) === 0x70617261) {
    const type = view.getUint16(at + 8);
    const [gamma, a, b] = [0, 1, 2].map((i) => fixed(view, at + 12 + 4 * i));
    return type === 0 ? 0.5 ** gamma : type === 3 ? (a * 0.5 + b) ** gamma : NaN;
  }
  const count = view.getUint32(at + 8);
  const entry = (k) => view.getUint16(at + 12 + 2 * k);
  if (count < 2) return count ? 0.5 ** (entry(0) / 256) : 0.5;
  const middle = (count - 1) / 2;
  return (entry(Math.floor(middle)) + entry(Math.ceil(middle))) / 2 / 65535;
}
