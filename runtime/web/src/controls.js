/** The bar of `<inr-video controls>`, and the keys that do as it does. */

const LOUDER = 0.1; // of the whole volume, by a key
const toggled = (video) => (video.paused ? video.play() : video.pause());
const KEYS = {
  " ": toggled,
  k: toggled,
  ArrowLeft: (video) => (video.currentTime -= 1),
  ArrowRight: (video) => (video.currentTime += 1),
  ",": (video) => video.step(-1),
  ".": (video) => video.step(1),
  Home: (video) => (video.currentTime = 0),
  End: (video) => (video.currentTime = video.duration),
  m: (video) => (video.muted = !video.muted),
  ArrowUp: (video) => (video.volume = Math.min(1, video.volume + LOUDER)),
  ArrowDown: (video) => (video.volume = Math.max(0, video.volume - LOUDER)),
};

export class Controls {
  bar = document.createElement("div");
  #video;
  #play;
  #mute;
  #seek = document.createElement("input");
  #time = document.createElement("span");

  constructor(video) {
    this.#video = video;
    this.bar.part = "controls";
    this.#play = button("play", "▶", "Play", () => toggled(video));
    this.#mute = button("mute", "♪", "Mute", () => KEYS.m(video));
    this.#seek.type = "range";
    this.#seek.min = this.#seek.value = "0";
    this.#seek.ariaLabel = "Frame";
    this.#seek.oninput = () => (video.frame = Number(this.#seek.value));
    const back = button("back", "◀", "One frame back", () => video.step(-1));
    const on = button("on", "▶▏", "One frame on", () => video.step(1));
    this.bar.append(this.#play, back, on, this.#seek, this.#time, this.#mute);
    video.addEventListener("keydown", (event) => this.#pressed(event));
    this.describe();
  }

  /** What the buttons do now. */
  describe() {
    const { paused, muted, sounding } = this.#video;
    this.#play.textContent = paused ? "▶" : "❚❚";
    this.#play.ariaLabel = paused ? "Play" : "Pause";
    this.#mute.ariaPressed = String(muted);
    this.#mute.hidden = !sounding;
  }

  /** Where it is. */
  tell() {
    const { frame, frames, currentTime, duration } = this.#video;
    this.#seek.max = String(frames - 1);
    this.#seek.value = String(frame);
    this.#seek.ariaValueText = `frame ${frame + 1} of ${frames}`;
    this.#time.textContent = `${currentTime.toFixed(2)} / ${duration.toFixed(2)} s`;
  }

  #pressed(event) {
    const act = KEYS[event.key];
    const own = event.composedPath()[0];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (own instanceof HTMLButtonElement && event.key === " ") return; // it is pressed
    if (own === this.#seek && ![" ", "k", "m"].includes(event.key)) return; // it moves
    event.preventDefault();
    act(this.#video);
  }
}

function button(part, textContent, ariaLabel, onclick) {
  return Object.assign(document.createElement("button"), { type: "button", part, textContent, ariaLabel, onclick });
}
