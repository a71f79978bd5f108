/** What time it is in a clip: while its sound is heard that says so, else the page's clock. */

export class Clock {
  #origin = null; // when second 0 would have been, in ms; null while it stands
  #sound = null;

  get stands() {
    return this.#origin === null;
  }

  /** Seconds. */
  get time() {
    const heard = this.#sound?.time ?? null;
    if (heard !== null) this.#origin = performance.now() - 1000 * heard;
    return (performance.now() - this.#origin) / 1000;
  }

  start(seconds) {
    this.#origin = performance.now() - 1000 * seconds;
    this.#sound?.play(seconds);
  }

  stop() {
    this.#origin = null;
    this.#sound?.pause();
  }

  /** Let a sound (`sound.js`) lead, or none. */
  follow(sound) {
    const time = this.stands ? null : this.time;
    this.#sound?.close();
    this.#sound = sound;
    if (time !== null) sound?.play(time);
  }
}
