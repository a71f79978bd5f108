/** A clip's sound, decoded by the browser (WebCodecs) and heard when its frames are seen. Loaded when a clip carries one. */

import { tracksOf } from "./matroska.js";

const START = 0.05; // seconds from when it can be heard until it is
const READY = 0.25; // seconds that are decoded when it begins, so that a busy page loses none of them
const WAIT_MS = 1000; // that a clip stands until its sound begins, at most
const AHEAD = 2; // seconds that are decoded before they are heard
const FEED_MS = 250;
const IDLE_MS = 1000; // of silence, until the device is let go
const QUEUED = 100; // packets in the decoder
const ROLL = 0.1; // seconds that are decoded before those that are wanted (RFC 7845, 4.6: 80 ms)
const GAP = 0.02; // seconds: less is none, for packets' times are rounded

/** What WebCodecs calls the codecs of Matroska, and whether it wants their private data. */
const CODECS = {
  A_OPUS: () => "opus",
  A_VORBIS: () => "vorbis",
  A_FLAC: () => "flac",
  A_AAC: ({ private: config }) => `mp4a.40.${config?.[0] >> 3 || 2}`,
  "A_MPEG/L3": () => "mp3",
  "A_PCM/INT/LIT": ({ bits }) => (bits === 8 ? "pcm-u8" : `pcm-s${bits}`),
  "A_PCM/FLOAT/IEEE": () => "pcm-f32",
};

export class Sound {
  #packets;
  #config;
  #failed; // is told what goes wrong later
  #level = 1;
  #context = null; // made when it is first played: a page may have many clips
  #gain = null;
  #decoder;
  #closed = false;
  #nodes = new Set();
  #turn = 0; // counts, so that what was begun before a pause is dropped
  #asked = null; // to play: {from, until}, where the clip stands until some time, in ms of the page's clock
  #next = 0; // the packet that is decoded next
  #held = []; // {start, buffer}: what is decoded before it begins
  #begin = null; // {clip, context}: second `clip` is heard at the context's second `context`; null while nothing is
  #end = 0; // second of the clip up to which there is sound
  #timer = 0;

  /** Of a Matroska file's first track that this browser decodes. Throws an Error that says why there is none. */
  static async of(data, failed) {
    if (typeof AudioDecoder === "undefined" || typeof AudioContext === "undefined")
      throw new Error("wanted a browser with AudioDecoder and AudioContext");
    const tracks = tracksOf(data);
    for (const track of tracks) {
      const codec = CODECS[track.codec]?.(track);
      const config = { codec, sampleRate: codec === "opus" ? 48000 : track.rate, numberOfChannels: track.channels };
      if (track.private?.length) config.description = track.private;
      const { supported } = codec ? await AudioDecoder.isConfigSupported(config).catch(() => ({})) : {};
      if (supported) return new Sound(track.packets, config, failed);
    }
    throw new Error(`this browser does not decode ${tracks.map(({ codec }) => codec).join(", ") || "a file without a track"}`);
  }

  constructor(packets, config, failed) {
    this.#packets = packets;
    this.#config = config;
    this.#failed = failed;
    this.#decoder = new AudioDecoder({ output: (data) => this.#schedule(data), error: (error) => this.#fail(error) });
    for (const type of ["pointerup", "keydown"]) document.addEventListener(type, this.#wake, true);
  }

  /** Seconds of the clip that are heard now, or will be in a moment; null while none are. */
  get time() {
    if (this.#begin && this.#context.state === "running") {
      const { clip, context } = this.#begin;
      return Math.max(clip, clip + this.#context.currentTime - (this.#context.outputLatency || 0) - context);
    }
    return !this.#begin && performance.now() < this.#asked?.until ? this.#asked.from : null;
  }

  set({ volume, muted }) {
    this.#level = muted ? 0 : volume;
    if (this.#gain) this.#gain.gain.value = this.#level;
  }

  /** From second `from` on; where the browser lets nothing be heard before the page is used, from where the clip is by then. */
  async play(from) {
    this.pause();
    clearTimeout(this.#timer);
    const turn = this.#turn;
    const until = performance.now() + (navigator.userActivation?.hasBeenActive ? WAIT_MS : 0);
    this.#asked = { from, until };
    try {
      this.#context ??= this.#opened();
    } catch (error) {
      return queueMicrotask(() => this.#fail(error)); // a rate that there is not
    }
    await this.#context.resume().catch(() => {}); // it was closed
    if (turn !== this.#turn) return;
    const due = this.#due;
    this.#next = Math.max(0, this.#packets.findLastIndex(({ time }) => time <= due - ROLL));
    this.#end = -Infinity;
    this.#decoder.configure(this.#config);
    this.#feed();
  }

  /** Second of the clip that is heard first, if it begins now. */
  get #due() {
    const { from, until } = this.#asked;
    return from + Math.max(0, performance.now() - until) / 1000;
  }

  #opened() {
    const context = new AudioContext({ sampleRate: this.#config.sampleRate });
    this.#gain = new GainNode(context, { gain: this.#level });
    this.#gain.connect(context.destination);
    return context;
  }

  pause() {
    this.#turn++;
    this.#asked = null;
    this.#begin = null;
    this.#held = [];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#context?.suspend(), IDLE_MS);
    for (const node of this.#nodes) node.stop();
    this.#nodes.clear();
    if (this.#decoder.state === "configured") this.#decoder.reset();
  }

  close() {
    if (this.#closed) return;
    this.pause();
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const type of ["pointerup", "keydown"]) document.removeEventListener(type, this.#wake, true);
    if (this.#decoder.state !== "closed") this.#decoder.close();
    this.#context?.close();
  }

  /** Browsers let a context begin when the page is used. */
  #wake = () => {
    if (this.#asked && this.#context?.state === "suspended") this.#context.resume();
  };

  #fail(error) {
    this.close();
    this.#failed(error);
  }

  /** Have so much decoded that some is ahead. */
  #feed() {
    if (this.#decoder.state !== "configured") return;
    const [first] = this.#packets;
    const until = (this.time ?? this.#begin?.clip ?? this.#due) + AHEAD;
    while (this.#packets[this.#next]?.time < until && this.#decoder.decodeQueueSize < QUEUED) {
      const { time, data } = this.#packets[this.#next++];
      this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: Math.round(1e6 * (time - first.time)), data }));
      if (this.#next === this.#packets.length) this.#decoder.flush().catch(() => {}); // it was paused, or has said why
    }
    this.#timer = setTimeout(() => this.#feed(), FEED_MS);
  }

  /** Let decoded samples be heard after those before them; the first, when enough of them are ready. */
  #schedule(data) {
    const { numberOfChannels, numberOfFrames, sampleRate, timestamp } = data;
    const [first] = this.#packets;
    const time = first.time + 1e-6 * timestamp;
    const start = Math.abs(time - this.#end) < GAP ? this.#end : time;
    this.#end = start + numberOfFrames / sampleRate;
    const buffer = new AudioBuffer({ numberOfChannels, length: numberOfFrames, sampleRate });
    for (let planeIndex = 0; planeIndex < numberOfChannels; planeIndex++)
      data.copyTo(buffer.getChannelData(planeIndex), { planeIndex, format: "f32-planar" });
    data.close();
    this.#held.push({ start, buffer });
    if (!this.#begin) {
      const clip = this.#due;
      if (this.#end < clip + READY && this.#next < this.#packets.length) return;
      this.#begin = { clip, context: this.#context.currentTime + START };
    }
    for (const held of this.#held.splice(0)) this.#hear(held);
  }

  /** At their time; samples that are late are left out. */
  #hear({ start, buffer }) {
    const { clip, context } = this.#begin;
    const when = context + Math.round((start - clip) * buffer.sampleRate) / buffer.sampleRate; // whole samples apart
    const skip = Math.max(0, context - when, this.#context.currentTime - when);
    if (skip >= buffer.duration) return;
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    node.connect(this.#gain);
    node.onended = () => this.#nodes.delete(node);
    this.#nodes.add(node);
    node.start(when + skip, skip);
  }
}
