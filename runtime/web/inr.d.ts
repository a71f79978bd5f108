/** Types of `inrcodec` in the browser. */

/** A file that is not a valid `.inr`: the message says what was wanted and what came. */
export class BitstreamError extends Error {}

export interface Options {
  /** Refuse pictures of more pixels; 2**26 unless it is said. */
  pixelsMax?: number;
  /** The file may be cut: what it lacks is guessed. */
  partial?: boolean;
  /** Hand out the decoded integers too. */
  symbols?: boolean;
}

export interface Picture {
  width: number;
  height: number;
  frames: number;
  /** RGBA of 8 bits, as `ImageData` takes it. */
  data: Uint8ClampedArray;
  /** 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
  channels: 1 | 2 | 3 | 4;
  bitDepth: 8 | 16;
  /** (height, width, channels), exactly what the file says. */
  samples: Uint8Array | Uint16Array;
  /** ICC profile, EXIF and XMP where the file carries them. */
  sections: Partial<Record<"icc" | "exif" | "xmp" | "graphs" | "clip" | "audio", Uint8Array>>;
  symbols?: { tensors: Record<string, Float64Array>; grids: Int32Array[] };
}

/** The picture in a file, decoded in a worker. Rejects with BitstreamError for damaged data. */
export function decode(buffer: ArrayBuffer, options?: Options): Promise<Picture>;

declare global {
  interface HTMLElementTagNameMap {
    "inr-image": InrImage;
  }
  /** `<inr-image src alt>`; fires `sized`, `load` and `error`. */
  interface InrImage extends HTMLElement {
    src: string;
    readonly complete: boolean;
    readonly naturalWidth: number;
    readonly naturalHeight: number;
  }
}
