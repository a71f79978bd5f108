/** The packets of a Matroska file's audio tracks (RFC 9559), as FFmpeg writes them. */

const SEGMENT = 0x18538067;
const INFO = 0x1549a966;
const [TRACKS, TRACK, AUDIO] = [0x1654ae6b, 0xae, 0xe1];
const [TAGS, TAG, SIMPLE_TAG] = [0x1254c367, 0x7373, 0x67c8];
const [CLUSTER, GROUP] = [0x1f43b675, 0xa0];
const NESTED = new Set([SEGMENT, INFO, TRACKS, TRACK, AUDIO, TAGS, TAG, SIMPLE_TAG, CLUSTER, GROUP]);
const [SCALE, CLUSTER_TIME, SIMPLE_BLOCK, BLOCK] = [0x2ad7b1, 0xe7, 0xa3, 0xa1];
const [NUMBER, CODEC, PRIVATE, DELAY, ENCODINGS] = [0xd7, 0x86, 0x63a2, 0x56aa, 0x6d80];
const [RATE, CHANNELS, BITS] = [0xb5, 0x9f, 0x6264];
const [TAG_NAME, TAG_TEXT] = [0x45a3, 0x4487];
const LACED = 6; // of a block's flags: several packets in one
const NS = 1e-9; // seconds

/**
 * [{codec, private, rate, channels, bits, packets: [{time, data}]}], `time` in seconds from the clip's first frame. Throws an Error
 * for what is damaged, or other than FFmpeg writes it.
 */
export function tracksOf(data) {
  const found = { scale: 1e6, lead: 0, tracks: new Map(), blocks: [] };
  const at = { track: {}, tag: null, cluster: 0 };
  walk(data, 0, data.length, (id, body) => {
    if (id === SCALE) found.scale = integer(body);
    else if (id === TRACK) at.track = { rate: 8000, channels: 1, bits: 0, delay: 0, packets: [] };
    else if (id === NUMBER) found.tracks.set(integer(body), at.track);
    else if (id === CODEC) at.track.codec = text(body);
    else if (id === PRIVATE) at.track.private = body;
    else if (id === DELAY) at.track.delay = NS * integer(body);
    else if (id === ENCODINGS) throw new Error("wanted plain packets, got compressed or encrypted ones");
    else if (id === RATE) at.track.rate = real(body);
    else if (id === CHANNELS) at.track.channels = integer(body);
    else if (id === BITS) at.track.bits = integer(body);
    else if (id === TAG_NAME) at.tag = text(body);
    else if (id === TAG_TEXT && at.tag === "INR_LEAD") found.lead = fraction(text(body));
    else if (id === CLUSTER_TIME) at.cluster = integer(body);
    else if (id === SIMPLE_BLOCK || id === BLOCK) found.blocks.push([at.cluster, body]);
  });
  for (const [cluster, body] of found.blocks) {
    const [number, start] = varint(body, 0, true);
    const track = found.tracks.get(number);
    if (!track || start + 3 > body.length) throw new Error(`wanted a block of a track, got one of ${number}`);
    if (body[start + 2] & LACED) throw new Error("wanted one packet a block, got laced ones");
    const ticks = cluster + (((body[start] << 8) | body[start + 1]) << 16 >> 16);
    track.packets.push({ time: ticks * found.scale * NS - track.delay - found.lead, data: body.subarray(start + 3) });
  }
  return [...found.tracks.values()].filter(({ packets }) => packets.length);
}

/** Call `visit(id, body)` of all elements, those that hold others first. */
function walk(data, start, end, visit) {
  for (let at = start; at < end; ) {
    const [id, sized] = varint(data, at, false);
    const [size, body] = varint(data, sized, true);
    const last = size === Infinity ? end : body + size;
    if (last > end) throw new Error(`truncated: wanted ${size} bytes at ${body}, got ${end - body}`);
    visit(id, data.subarray(body, last));
    if (NESTED.has(id)) walk(data, body, last, visit);
    at = last;
  }
}

/** [value, where it ends]: as many bytes as the first has leading zeros and one more, whose mark ids keep; ones alone are no size. */
function varint(data, at, unmarked) {
  const length = Math.clz32(data[at]) - 23; // of no byte 9
  if (length > 8 || at + length > data.length) throw new Error(`wanted a number of up to 8 bytes at ${at}`);
  const bytes = data.slice(at, at + length);
  if (unmarked) bytes[0] &= 255 >> length;
  const value = integer(bytes);
  return [unmarked && value >= 2 ** (7 * length) - 1 ? Infinity : value, at + length];
}

const integer = (bytes) => bytes.reduce((value, byte) => 256 * value + byte, 0);
const text = (bytes) => new TextDecoder().decode(bytes).replace(/\0+$/, "");

function real(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return bytes.length === 4 ? view.getFloat32(0) : view.getFloat64(0);
}

/** Of "3/4" or "0.75". */
function fraction(said) {
  const [above, below = 1] = said.split("/").map(Number);
  if (!Number.isFinite(above / below)) throw new Error(`wanted the seconds that sound begins early, got ${said}`);
  return above / below;
}
