/** The syntax of an `.inr` file, as `syntax.py` has it. */

import { BitstreamError, Reader } from "./wire.js";

export const PIXELS_MAX = 2 ** 26; // of a frame: less than elsewhere, since a page's memory ends at 4 GiB
const VERSION = 1;
const SIDE_MAX = 65_535; // pixels
const INDEXED = 32; // the flag
const FRAMES_MAX = 2 ** 24;
const SEGMENT_MAX = 2 ** 31 - 1; // bytes
const SECTION_MAX = 2 ** 20; // bytes
const SECTIONS = ["icc", "exif", "xmp", "graphs", "clip", "audio"];
const RAW = { audio: 2 ** 30 }; // bytes of those that are not deflated
const NAMED_BY_DIGEST = 0;
const DIGEST = 8; // bytes

/**
 * Everything before the payload, and where that begins. Unless `checked`, the payload may be cut; sections are still deflated.
 * Raises BitstreamError for anything but a whole, undamaged file.
 */
export function readHeader(data, { pixelsMax = PIXELS_MAX, checked = true } = {}) {
  const wire = new Reader(data);
  const start = wire.fixed(4);
  if (String.fromCharCode(...start.subarray(0, 3)) !== "INR")
    throw new BitstreamError(`not an .inr file: wanted "INR" at its start, got bytes ${start.subarray(0, 3).join(" ")}`);
  if (start[3] !== VERSION)
    throw new BitstreamError(`wanted version ${VERSION}, got ${start[3]}: a newer inrcodec may read this file`);
  const wanted = uint32(wire);
  const indexed = data.length > wire.position && data[wire.position] & INDEXED;
  const covered = (end) => crc32(data.subarray(8, end), crc32(start));
  if (checked && !indexed) check(wanted, covered(data.length));
  const header = codeHeader(wire, pixelsMax);
  if (indexed) {
    check(wanted, covered(wire.position));
    const size = header.index.reduce((sum, entry) => sum + entry.size, wire.position);
    if (checked && data.length !== size)
      throw new BitstreamError(`damaged or cut file: wanted ${size} bytes, got ${data.length}`);
  }
  return { header, position: wire.position };
}

function codeHeader(wire, pixelsMax) {
  const flags = wire.byte();
  if (flags > 63)
    throw new BitstreamError(`wanted flags up to 63, got ${flags}: a newer version of inrcodec may read this file`);
  const profile = wire.byte();
  const height = wire.varint(SIDE_MAX - 1) + 1;
  const width = wire.varint(SIDE_MAX - 1) + 1;
  if (height * width > pixelsMax) throw new BitstreamError(`wanted at most ${pixelsMax} pixels, got ${width}x${height}`);
  const frames = flags & 16 ? wire.varint(FRAMES_MAX - 2) + 2 : 1;
  const digest = profile === NAMED_BY_DIGEST ? wire.fixed(DIGEST) : null;
  const sections = flags & 8 ? codeSections(wire) : {};
  const signal = { height, width, channels: (flags & 3) + 1, bitDepth: flags & 4 ? 16 : 8, frames };
  return { signal, profile, digest, sections, index: flags & INDEXED ? codeIndex(wire, frames) : [] };
}

function codeIndex(wire, frames) {
  const entries = [];
  let left = frames;
  for (let k = wire.varint(frames - 1) + 1; k > 0; k--) {
    if (left === 0) throw new BitstreamError(`wanted an index of ${frames} frames, got one with more segments`);
    entries.push({ frames: wire.varint(left - 1) + 1, size: wire.varint(SEGMENT_MAX), crc: uint32(wire) });
    left -= entries.at(-1).frames;
  }
  if (left) throw new BitstreamError(`wanted an index of ${frames} frames, got ${frames - left}`);
  return entries;
}

function codeSections(wire) {
  const there = wire.byte();
  if (there === 0 || there >> SECTIONS.length)
    throw new BitstreamError(`wanted sections among ${SECTIONS.length} known ones, got the mask ${there}`);
  const names = SECTIONS.filter((_, i) => (there >> i) & 1);
  return Object.fromEntries(names.map((name) => [name, wire.blob(RAW[name] ?? SECTION_MAX)]));
}

/** The sections of a header as they were before they were deflated. */
export async function inflated(sections) {
  const pairs = Object.entries(sections).map(async ([name, data]) => [name, name in RAW ? data : await inflate(data, name)]);
  return Object.fromEntries(await Promise.all(pairs));
}

async function inflate(data, name) {
  const parts = [];
  let size = 0;
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    for (let part; (part = await reader.read()), !part.done && size <= SECTION_MAX; size += part.value.length)
      parts.push(part.value);
  } catch (error) {
    throw new BitstreamError(`wanted a deflated ${name} section, got ${error.message}`);
  }
  if (size > SECTION_MAX) {
    reader.cancel();
    throw new BitstreamError(`wanted a ${name} section of at most ${SECTION_MAX} bytes that ends where it says`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function uint32(wire) {
  const [a, b, c, d] = wire.fixed(4);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** Raises BitstreamError unless the checksums are equal. */
export function check(wanted, found, of = "damaged or cut file") {
  const hex = (value) => value.toString(16).padStart(8, "0");
  if (found !== wanted) throw new BitstreamError(`${of}: wanted checksum ${hex(wanted)}, got ${hex(found)}`);
}

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

export function crc32(data, crc = 0) {
  crc = ~crc;
  for (let i = 0; i < data.length; i++) crc = CRC[(crc ^ data[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
