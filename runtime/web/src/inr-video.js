/** `<inr-video src controls>`: a clip, of which segments are fetched and frames decoded as they are shown. */

import { Controls } from "./controls.js";
import { upright } from "./orientation.js";
import { Playback } from "./playback.js";

const TICK_MS = 250; // at least, from one `timeupdate` to the next
const TURNS = [1, 8, 3, 6]; // EXIF's orientation by quarter turns counterclockwise
const STYLE = `
  :host { display: inline-block; position: relative; max-width: 100%; }
  :host([hidden]), [hidden] { display: none !important; }
  canvas { display: block; max-width: 100%; height: auto; background: #000; }
  p { margin: 0; padding: 0.5em; border: 1px solid; font: inherit; }
  slot[name="captions"] { display: block; position: absolute; inset: auto 0 3em 0; text-align: center; pointer-events: none; }
  [part="controls"] { display: flex; gap: 0.5em; align-items: center; padding: 0.25em; font: 0.875em system-ui, sans-serif; }
  input { flex: 1; min-width: 4em; }
  button { font: inherit; min-width: 2.5em; min-height: 2em; }
  [aria-pressed="true"] { text-decoration: line-through 0.15em; }`;

let client; // `client.js` as the page's script has it: one worker for all

/** Make the element known. */
export function define(given) {
  client = given;
  if (!customElements.get("inr-video")) customElements.define("inr-video", InrVideo);
}

class InrVideo extends HTMLElement {
  static observedAttributes = ["src", "controls", "loop", "aria-label"];

  #canvas = document.createElement("canvas");
  #fallback = document.createElement("p");
  #internals = this.attachInternals();
  #connected = false; // told so: attributes are told before
  #opening = 0; // counts, so that what an earlier source brings is dropped
  #playback = null;
  #sound = null;
  #level = { volume: 1, muted: false };
  #told = 0; // when `timeupdate` was
  #controls = new Controls(this);

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const captions = Object.assign(document.createElement("slot"), { name: "captions" });
    this.#canvas.part = "canvas";
    this.#fallback.part = "fallback";
    this.#fallback.hidden = true;
    root.append(this.#canvas, captions, this.#controls.bar, this.#fallback);
  }

  connectedCallback() {
    this.#connected = true;
    client.started();
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    this.#level.muted ||= this.hasAttribute("muted");
    this.#describe();
    this.#open();
  }

  disconnectedCallback() {
    this.#connected = false;
    this.#close();
  }

  attributeChangedCallback(name) {
    if (!this.#connected) return;
    this.#describe();
    if (name === "src") this.#open();
  }

  get paused() {
    return !this.#playback?.playing;
  }

  /** Seconds. */
  get duration() {
    return this.#playback?.timeline.duration ?? NaN;
  }

  get currentTime() {
    return this.#playback?.time ?? 0;
  }

  set currentTime(seconds) {
    this.#playback?.seek(this.#playback.timeline.frameAt(seconds));
  }

  /** How many there are, and which one is shown. */
  get frames() {
    return this.#playback?.timeline.frames ?? 0;
  }

  get frame() {
    return this.#playback?.frame ?? 0;
  }

  set frame(frame) {
    this.#playback?.seek(frame);
  }

  /** Whether there is sound that is played. */
  get sounding() {
    return Boolean(this.#sound);
  }

  /** 0 to 1 */
  get volume() {
    return this.#level.volume;
  }

  set volume(volume) {
    this.#set({ volume: Math.max(0, Math.min(volume, 1)) });
  }

  get muted() {
    return this.#level.muted;
  }

  set muted(muted) {
    this.#set({ muted: Boolean(muted) });
  }

  play() {
    this.#playback?.play();
  }

  pause() {
    this.#playback?.pause();
  }

  /** Pause, and show the frame so many further on. */
  step(by) {
    this.pause();
    this.frame += by;
  }

  #describe() {
    this.#internals.role = "group";
    this.#internals.ariaLabel = this.getAttribute("aria-label") ?? "Video";
    this.#controls.bar.hidden = !this.hasAttribute("controls") || !this.#fallback.hidden;
    this.#controls.describe();
    if (this.#playback) this.#playback.loop = this.hasAttribute("loop");
  }

  get #url() {
    return new URL(this.getAttribute("src"), document.baseURI).href;
  }

  async #open() {
    this.#close();
    const opening = this.#opening;
    if (!this.getAttribute("src")) return;
    try {
      const file = await client.open(this.#url);
      if (opening !== this.#opening) return void file.close();
      const { turns = 0, aspect = 1 } = file.facts ?? {};
      const playback = (this.#playback = new Playback(file, {
        draw: (picture) => this.#draw({ ...file.signal, ...picture }, TURNS[turns]),
        event: (type) => this.#event(type),
        failed: (error) => this.#fail(error),
      }));
      this.#room(file.signal, turns % 2, aspect);
      this.#fail(null);
      this.dispatchEvent(new Event("loadedmetadata"));
      await playback.seek(0);
      if (playback !== this.#playback) return;
      this.dispatchEvent(new Event("loadeddata"));
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (this.hasAttribute("autoplay") && !still) this.play();
      if (file.sound) this.#hear(file, playback);
    } catch (error) {
      if (opening === this.#opening) this.#fail(error);
    }
  }

  #close() {
    this.#opening++;
    this.#playback?.close();
    this.#playback = this.#sound = null;
  }

  /** Have the clip's sound, or say once that there is none. */
  async #hear(file, playback) {
    const follow = (sound) => {
      playback.follow(sound);
      this.#sound = sound;
      this.#controls.describe();
    };
    const silent = ({ message }) => {
      if (playback !== this.#playback) return;
      follow(null);
      console.info(`inr-video: ${this.#url}: plays without its sound: ${message}`);
    };
    try {
      const { Sound } = await import(new URL("sound.js", import.meta.url).href);
      const sound = await Sound.of(await file.audio(), silent);
      if (playback !== this.#playback) return void sound.close();
      sound.set(this.#level);
      follow(sound);
      this.dispatchEvent(new Event("sound"));
    } catch (error) {
      silent(error);
    }
  }

  #set(level) {
    Object.assign(this.#level, level);
    this.#sound?.set(this.#level);
    this.#controls.describe();
    this.dispatchEvent(new Event("volumechange"));
  }

  /** Say in words why there is no picture, or that there is one. */
  #fail(error) {
    this.#fallback.hidden = !error;
    this.#canvas.hidden = Boolean(error);
    this.#fallback.textContent = `${this.getAttribute("aria-label") ?? "This video"}: it could not be shown.`;
    this.#describe();
    if (!error) return;
    this.pause();
    console.error(`inr-video: ${this.#url}: ${error.message}`);
    this.dispatchEvent(new ErrorEvent("error", { message: error.message, error }));
  }

  /** Of frames whose pixels are `aspect` times as wide as high. */
  #room({ width, height }, across, aspect) {
    [this.#canvas.width, this.#canvas.height] = across ? [height, width] : [width, height];
    this.#canvas.style.aspectRatio = String(across ? height / (width * aspect) : (width * aspect) / height);
  }

  #draw(picture, orientation) {
    const { width, height, data } = upright(picture, orientation);
    this.#canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  }

  /** Tell the page; of the time not at each tick. */
  #event(type) {
    if (type === "play" || type === "pause") this.#controls.describe();
    if (type === "seeked" || type === "pause" || (type === "tick" && performance.now() - this.#told > TICK_MS)) {
      this.#told = performance.now();
      this.#controls.tell();
      this.dispatchEvent(new Event("timeupdate"));
    }
    if (type !== "tick") this.dispatchEvent(new CustomEvent(type, { detail: type === "frame" ? this.frame : null }));
  }
}
