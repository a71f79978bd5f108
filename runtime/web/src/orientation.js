/** Pictures that are to be shown turned or mirrored. */

const ORIENTATION = 0x112; // the tag
const MIRRORED = [2, 3, 7, 8];
const UPENDED = [3, 4, 6, 7];

/** EXIF's orientation (CIPA DC-008, 4.6.5.1), 1 to 8, of a TIFF blob; 1 is as it is, and where it says nothing. */
export function orientationOf(exif) {
  if (!exif || exif.length < 10) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length);
  const little = exif[0] === 0x49; // "II"
  const first = view.getUint32(4, little);
  const count = first + 2 <= exif.length ? view.getUint16(first, little) : 0;
  for (let k = 0, at = first + 2; k < count && at + 12 <= exif.length; k++, at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Whether width and height change places. */
export const turned = (orientation) => orientation > 4;

/** {width, height, data} of RGBA as it is to be shown. */
export function upright({ width, height, data }, orientation) {
  if (orientation === 1) return { width, height, data };
  const [mirrored, upended] = [MIRRORED.includes(orientation), UPENDED.includes(orientation)];
  const first = (mirrored ? width - 1 : 0) + (upended ? (height - 1) * width : 0);
  const steps = [mirrored ? -1 : 1, upended ? -width : width];
  const [right, down] = turned(orientation) ? steps.reverse() : steps;
  const [columns, rows] = turned(orientation) ? [height, width] : [width, height];
  const given = new Uint32Array(data.buffer);
  const shown = new Uint32Array(given.length);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) shown[y * columns + x] = given[first + y * down + x * right];
  return { width: columns, height: rows, data: new Uint8ClampedArray(shown.buffer) };
}
