/** Types of `inrcodec` in the browser. */

/** A file that is not a valid `.inr`: the message says what was wanted and what came. */
export class BitstreamError extends Error {}

export interface Folders {
  /** URLs of folders; unless they are said, those of these names beside the script. Only methods other than `pyramid` need them. */
  profiles?: string;
  onnxruntime?: string;
}

export interface Options extends Folders {
  /** Refuse pictures of more pixels; 2**26 unless it is said. */
  pixelsMax?: number;
  /** The file may be cut: what it lacks is guessed. */
  partial?: boolean;
  /** Which frame, if there are several; the first unless it is said. */
  frame?: number;
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
  /** EXIF's, 1 to 8: how it is to be turned and mirrored to be shown. */
  orientation: number;
  /** For `ImageData` and `getContext`: that of the ICC profile, if it is Display P3, or else sRGB. */
  colorSpace: PredefinedColorSpace;
  /** ICC profile, EXIF and XMP where the file carries them. */
  sections: Partial<Record<"icc" | "exif" | "xmp" | "graphs" | "clip" | "audio", Uint8Array>>;
  symbols?: { tensors: Record<string, Float64Array>; grids: Int32Array[] };
}

/** The picture in a file, decoded in a worker. Rejects with BitstreamError for damaged data. */
export function decode(buffer: ArrayBuffer, options?: Options): Promise<Picture>;

export interface Clip {
  signal: Pick<Picture, "width" | "height" | "frames" | "channels" | "bitDepth">;
  frames: number;
  /** Of a clip: frames a second, and when each is shown, in seconds, where that is not even. */
  facts: { rate: number; times: Float64Array | null } | null;
  /** Whether it has sound, and its packets, a Matroska file. */
  sound: boolean;
  audio(): Promise<Uint8Array | undefined>;
  read(frame: number): Promise<Pick<Picture, "data"> & Partial<Pick<Picture, "samples">>>;
  close(): void;
}

/** A file at a URL: the header and the index are fetched now, segments when frames of theirs are read. */
export function open(url: string, options?: Omit<Options, "frame" | "symbols">): Promise<Clip>;

/** Where the folders lie, for elements too. */
export function configure(folders: Folders): void;

/** Make `<inr-video>` known now: else that is done when the document first holds one, outside of shadow trees. */
export function video(): Promise<void>;

declare global {
  interface HTMLElementTagNameMap {
    "inr-image": InrImage;
    "inr-video": InrVideo;
  }
  /** `<inr-image src alt>`; fires `sized`, `preview`, `load` and `error`. */
  interface InrImage extends HTMLElement {
    src: string;
    readonly complete: boolean;
    readonly naturalWidth: number;
    readonly naturalHeight: number;
    /** Milliseconds that the whole file took to decode. */
    readonly decodeMs: number;
    /** RGBA of what is shown: upright, in its own colour space. */
    readonly pixels: Uint8ClampedArray;
  }
  /**
   * `<inr-video src controls autoplay loop muted aria-label>`; fires `loadedmetadata`, `loadeddata`, `sound` (there is some that can
   * be played), `play`, `pause`, `seeking`, `seeked`, `timeupdate`, `volumechange`, `frame` (its number is the detail), `ended`
   * and `error`.
   */
  interface InrVideo extends HTMLElement {
    currentTime: number;
    readonly duration: number;
    readonly paused: boolean;
    readonly frames: number;
    /** The one that is shown; set, it is sought. */
    frame: number;
    /** Whether there is sound that is played. */
    readonly sounding: boolean;
    /** 0 to 1 */
    volume: number;
    muted: boolean;
    play(): void;
    pause(): void;
    step(by: number): void;
  }
}
