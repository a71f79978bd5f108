/** `<inr-video src controls>`: a clip, of which segments are fetched and frames decoded as they are shown. */

import { open, started } from "./client.js";

const AHEAD = 4; // frames that are decoded before they are shown
const TICK_MS = 250; // at least, from one `timeupdate` to the next
const STYLE = `
  :host { display: inline-block; position: relative; max-width: 100%; }
  :host([hidden]), [hidden] { display: none !important; }
  canvas { display: block; max-width: 100%; height: auto; background: #000; }
  p { margin: 0; padding: 0.5em; border: 1px solid; font: inherit; }
  slot[name="captions"] { display: block; position: absolute; inset: auto 0 3em 0; text-align: center; pointer-events: none; }
  [part="controls"] { display: flex; gap: 0.5em; align-items: center; padding: 0.25em; font: 0.875em system-ui, sans-serif; }
  input { flex: 1; min-width: 4em; }
  button { font: inherit; min-width: 2.5em; min-height: 2em; }`;
const KEYS = {
  " ": (video) => (video.paused ? video.play() : video.pause()),
  k: (video) => (video.paused ? video.play() : video.pause()),
  ArrowLeft: (video) => (video.currentTime -= 1),
  ArrowRight: (video) => (video.currentTime += 1),
  ",": (video) => video.step(-1),
  ".": (video) => video.step(1),
  Home: (video) => (video.currentTime = 0),
  End: (video) => (video.currentTime = video.duration),
};

export class InrVideo extends HTMLElement {
  static observedAttributes = ["src", "controls", "aria-label"];

  #canvas = document.createElement("canvas");
  #fallback = document.createElement("p");
  #bar = document.createElement("div");
  #play = button("play", "Play");
  #seek = document.createElement("input");
  #time = document.createElement("span");
  #internals = this.attachInternals();
  #connected = false; // told so: attributes are told before
  #file = null;
  #opening = 0; // counts, so that what an earlier source brings is dropped
  #frame = 0; // the one that is shown
  #wanted = 0; // the latest one that is asked for
  #ready = new Map(); // decoded pictures by frame
  #pending = new Set();
  #origin = null; // when frame 0 would have been shown, in ms; null while paused
  #told = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const captions = document.createElement("slot");
    captions.name = "captions";
    for (const [element, part] of [[this.#canvas, "canvas"], [this.#fallback, "fallback"], [this.#bar, "controls"]])
      element.part = part;
    this.#seek.type = "range";
    this.#seek.min = this.#seek.value = "0";
    this.#seek.ariaLabel = "Frame";
    const [back, on] = [button("back", "One frame back"), button("on", "One frame on")];
    this.#bar.append(this.#play, back, on, this.#seek, this.#time);
    this.#fallback.hidden = true;
    root.append(this.#canvas, captions, this.#bar, this.#fallback);
    this.#play.onclick = () => (this.paused ? this.play() : this.pause());
    back.onclick = () => this.step(-1);
    on.onclick = () => this.step(1);
    this.#seek.oninput = () => this.#show(Number(this.#seek.value));
    this.addEventListener("keydown", (event) => this.#pressed(event));
  }

  connectedCallback() {
    this.#connected = true;
    started();
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    this.#describe();
    this.#open();
  }

  disconnectedCallback() {
    this.#connected = false;
    this.pause();
    this.#close();
  }

  attributeChangedCallback(name) {
    if (!this.#connected) return;
    this.#describe();
    if (name === "src") this.#open();
  }

  get paused() {
    return this.#origin === null;
  }

  /** Seconds. */
  get duration() {
    return this.#file ? this.#timeOf(this.frames - 1) + 1 / this.#rate : NaN;
  }

  get currentTime() {
    return this.#timeOf(this.#frame);
  }

  set currentTime(seconds) {
    this.#show(this.#frameAt(seconds));
  }

  /** How many there are, and which one is shown. */
  get frames() {
    return this.#file?.frames ?? 0;
  }

  get frame() {
    return this.#frame;
  }

  play() {
    if (!this.#file || !this.paused) return;
    if (this.#frame === this.frames - 1) this.#frame = 0;
    this.#origin = performance.now() - 1000 * this.#timeOf(this.#frame);
    this.#wanted = this.#frame;
    this.#fetch(this.#frame);
    this.#name(true);
    this.dispatchEvent(new Event("play"));
    requestAnimationFrame(() => this.#tick());
  }

  pause() {
    if (this.paused) return;
    this.#origin = null;
    this.#name(false);
    this.dispatchEvent(new Event("pause"));
  }

  /** Pause, and show the frame so many further on. */
  step(by) {
    this.pause();
    this.#show(this.#frame + by);
  }

  get #rate() {
    return this.#file?.facts?.rate ?? 25;
  }

  #timeOf(frame) {
    return this.#file?.facts?.times?.[frame] ?? frame / this.#rate;
  }

  /** The last frame that is shown no later. */
  #frameAt(seconds) {
    const times = this.#file?.facts?.times;
    const frame = times ? times.findLastIndex((time) => time <= seconds + 1e-6) : Math.floor(seconds * this.#rate + 1e-6);
    return Math.max(0, Math.min(frame, this.frames - 1));
  }

  #describe() {
    this.#internals.role = "group";
    this.#internals.ariaLabel = this.getAttribute("aria-label") ?? "Video";
    this.#bar.hidden = !this.hasAttribute("controls") || !this.#fallback.hidden;
    this.#name(!this.paused);
  }

  #name(playing) {
    this.#play.textContent = playing ? "❚❚" : "▶";
    this.#play.ariaLabel = playing ? "Pause" : "Play";
  }

  async #open() {
    this.pause();
    this.#close();
    const opening = ++this.#opening;
    const src = this.getAttribute("src");
    if (!src) return;
    try {
      const file = await open(src);
      if (opening !== this.#opening) return void file.close();
      this.#file = file;
      this.#frame = 0;
      [this.#canvas.width, this.#canvas.height] = [file.signal.width, file.signal.height];
      this.#seek.max = String(file.frames - 1);
      this.#fail(null);
      this.dispatchEvent(new Event("loadedmetadata"));
      await this.#show(0);
      if (opening !== this.#opening) return;
      this.dispatchEvent(new Event("loadeddata"));
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (this.hasAttribute("autoplay") && !still) this.play();
    } catch (error) {
      if (opening === this.#opening) this.#fail(error);
    }
  }

  #close() {
    this.#file?.close();
    this.#file = null;
    this.#ready.clear();
    this.#pending.clear();
  }

  /** Say in words why there is no picture, or that there is one. */
  #fail(error) {
    this.#fallback.hidden = !error;
    this.#canvas.hidden = Boolean(error);
    this.#fallback.textContent = `${this.getAttribute("aria-label") ?? "This video"}: it could not be shown.`;
    this.#describe();
    if (!error) return;
    this.pause();
    console.error(`inr-video: ${new URL(this.getAttribute("src"), document.baseURI).href}: ${error.message}`);
    this.dispatchEvent(new ErrorEvent("error", { message: error.message, error }));
  }

  /** Seek: the latest frame that is asked for is the one that stays. */
  async #show(frame) {
    if (!this.#file) return;
    const wanted = (this.#wanted = Math.max(0, Math.min(frame, this.frames - 1)));
    if (!this.paused) this.#origin = performance.now() - 1000 * this.#timeOf(wanted);
    this.dispatchEvent(new Event("seeking"));
    await this.#fetch(wanted);
    if (wanted !== this.#wanted || !this.#ready.has(wanted)) return;
    this.#draw(wanted);
    this.#tell(true);
    this.dispatchEvent(new Event("seeked"));
  }

  async #fetch(frame) {
    const file = this.#file;
    if (this.#ready.has(frame)) return;
    this.#pending.add(frame);
    try {
      const picture = await file.read(frame);
      if (file === this.#file) this.#ready.set(frame, picture);
    } catch (error) {
      if (file === this.#file) this.#fail(error);
    } finally {
      this.#pending.delete(frame);
    }
  }

  /** While it plays, once a screen's frame: show the newest that is due, and have the next ones decoded. */
  #tick() {
    if (this.paused || !this.#file) return;
    const due = this.#frameAt((performance.now() - this.#origin) / 1000);
    const there = [...this.#ready.keys()].filter((frame) => frame <= due && frame > this.#frame);
    if (there.length) this.#draw(Math.max(...there));
    this.#tell(false);
    if (this.#frame === this.frames - 1) return this.#ended();
    for (const frame of this.#ready.keys()) if (frame < this.#frame || frame > due + 2 * AHEAD) this.#ready.delete(frame);
    while (this.#pending.size + this.#ready.size <= AHEAD && this.#wanted < this.frames - 1) {
      this.#wanted = Math.min(Math.max(this.#wanted + 1, due), this.frames - 1); // what is late is left out
      this.#fetch(this.#wanted);
    }
    requestAnimationFrame(() => this.#tick());
  }

  #ended() {
    this.pause();
    this.dispatchEvent(new Event("ended"));
    if (this.hasAttribute("loop")) this.play();
  }

  #draw(frame) {
    const { width, height } = this.#file.signal;
    this.#canvas.getContext("2d").putImageData(new ImageData(this.#ready.get(frame).data, width, height), 0, 0);
    this.#frame = frame;
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #tell(now) {
    if (!now && performance.now() - this.#told < TICK_MS) return;
    this.#told = performance.now();
    this.#seek.value = String(this.#frame);
    this.#seek.ariaValueText = `frame ${this.#frame + 1} of ${this.frames}`;
    this.#time.textContent = `${this.currentTime.toFixed(2)} / ${this.duration.toFixed(2)} s`;
    this.dispatchEvent(new Event("timeupdate"));
  }

  #pressed(event) {
    const act = KEYS[event.key];
    const own = event.composedPath()[0];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (own instanceof HTMLButtonElement && event.key === " ") return; // it is pressed
    if (own === this.#seek && event.key !== " " && event.key !== "k") return; // it moves
    event.preventDefault();
    act(this);
  }
}

function button(part, label) {
  const made = document.createElement("button");
  made.type = "button";
  made.part = part;
  made.ariaLabel = label;
  made.textContent = { back: "◀", on: "▶▏", play: "▶" }[part];
  return made;
}
