/** A clip that plays: which of its frames is shown when. */

import { Ahead } from "./ahead.js";
import { Clock } from "./clock.js";
import { Timeline } from "./timeline.js";

const LATE = 1; // seconds: while the picture is older than that the clock stands

export class Playback {
  frame = 0; // the one that is shown
  playing = false;
  loop = false;
  timeline;
  #file;
  #told;
  #ahead;
  #clock = new Clock(); // stands while a frame that is sought is not there
  #wanted = 0; // the latest one that was sought
  #request = 0; // of the next tick

  /** `told` are what is to be called: `draw(picture)`, `event(type)` as of `<video>` and "frame", `failed(error)`. */
  constructor(file, told) {
    this.timeline = new Timeline(file);
    this.#file = file;
    this.#told = told;
    this.#ahead = new Ahead(file, (error) => this.#file && told.failed(error));
  }

  get time() {
    return this.timeline.timeOf(this.frame);
  }

  get #ends() {
    return this.frame === this.timeline.frames - 1;
  }

  close() {
    this.pause();
    this.follow(null);
    this.#file?.close();
    this.#file = null;
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.#told.event("play");
    this.#hold(this.#ends ? 0 : this.frame);
    this.#tick();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.#clock.stop();
    this.#told.event("pause");
  }

  /** Show a frame, and play on from there if it plays. */
  async seek(frame) {
    this.#told.event("seeking");
    if (await this.#hold(this.timeline.clamped(frame))) this.#told.event("seeked");
  }

  /** Let a sound lead, or none. */
  follow(sound) {
    this.#clock.follow(sound);
  }

  /** Stop the clock until a frame is shown. Whether this one is: the latest that is asked for stays. */
  async #hold(wanted) {
    this.#wanted = wanted;
    this.#clock.stop();
    const picture = await this.#ahead.get(wanted);
    if (!this.#file || wanted !== this.#wanted || !picture) return false;
    this.#show(wanted, picture);
    if (this.playing) this.#clock.start(this.time);
    return true;
  }

  /** While it plays, once a screen's frame: show the newest that is due, and have the next ones decoded. */
  #tick() {
    if (!this.playing) return;
    cancelAnimationFrame(this.#request);
    this.#request = requestAnimationFrame(() => this.#tick());
    if (this.#clock.stands) return;
    const { time } = this.#clock;
    const due = this.timeline.frameAt(time);
    const found = this.#ahead.newest(this.frame, due);
    if (found) this.#show(...found);
    this.#told.event("tick");
    if (this.#ends && time >= this.timeline.duration) this.#ended();
    else if (this.timeline.timeOf(due) > this.time + LATE) this.#hold(due);
    else this.#ahead.fill(this.frame, (ms) => this.timeline.frameAt(time + ms / 1000));
  }

  #ended() {
    this.pause();
    this.#told.event("ended");
    if (this.loop) this.play();
  }

  #show(frame, picture) {
    this.frame = frame;
    this.#told.draw(picture);
    this.#told.event("frame");
  }
}
