/** Types of the decoder without a page: `dist/worker.js`. */

import type { Clip, Options, Picture } from "./inr.js";

export { BitstreamError } from "./inr.js";

/** Compile the kernel, from `decoder.wasm`'s bytes or a Response; without it that is fetched from beside the script. */
export function load(source?: BufferSource | Response | Promise<BufferSource | Response>): Promise<WebAssembly.Module>;

/** On this thread. */
export function decode(buffer: ArrayBuffer | Uint8Array, options?: Options): Promise<Picture>;

/** Where bytes come from: `end` may be Infinity, and less may be there. */
export interface Source {
  size?: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

export class Memory implements Source {
  constructor(data: Uint8Array);
  readonly size: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

export class Remote implements Source {
  constructor(url: string);
  read(start: number, end: number): Promise<Uint8Array>;
}

export function open(source: Source, options?: Omit<Options, "frame" | "symbols">): Promise<Omit<Clip, "close" | "sound" | "audio">>;
