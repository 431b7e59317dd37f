// The video with a recording's sound at its offset.
//
// The video element is muted; the sound is scheduled against its displayed frames (clock.js, sound.js), measured at
// each frame and rescheduled as soon as the two lie apart by more than TOLERANCE_SECONDS.
// Positive offset = the sound comes late: the frame at t goes with the recording's sample at t + offset.

import { Clock } from "./clock.js";
import { Chain } from "./sound.js";

const TOLERANCE_SECONDS = 0.006; // less than half a frame at 60 fps
const LEAD_SECONDS = 0.04;
const SETTLED_FRAMES = 8;
const BACKWARDS_MILLISECONDS = 80;
const SPEEDS = [1, 2, 4];
const PATIENCE_MILLISECONDS = 1500;

export class Player {
  #chain = null;
  #clock = null;
  #backwards = 0; // the timer of playing backwards
  #checkedSeconds = 0;
  #start = null; // of a play() that waits for its sound

  constructor(video, { onTime, onState, onError }) {
    this.video = video;
    this.onTime = onTime;
    this.onState = onState;
    this.onError = onError;
    this.frameSeconds = 1 / 25;
    this.speed = 1;
    this.recording = null;
    this.offsetSeconds = 0;
    video.muted = true;
    for (const name of ["pause", "waiting", "seeking", "emptied", "ended"]) video.addEventListener(name, () => this.#silence());
    for (const name of ["play", "pause", "ended", "ratechange"]) video.addEventListener(name, () => this.onState());
    video.addEventListener("seeked", () => this.onTime(video.currentTime));
    video.addEventListener("error", () => video.error && this.onError(video.error));
    this.#watch();
  }

  get context() {
    if (!this.#clock) {
      const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
      this.output = new GainNode(context);
      this.output.connect(context.destination);
      this.#clock = new Clock(context);
    }
    return this.output.context;
  }

  get isPlaying() {
    return !this.video.paused || this.#backwards !== 0 || this.#start !== null;
  }

  get direction() {
    return this.#backwards ? -1 : 1;
  }

  // "" for no picture.
  load(url, frameSeconds) {
    this.pause();
    this.frameSeconds = frameSeconds;
    this.setSound(null, 0);
    if (url) this.video.src = url;
    else this.video.removeAttribute("src");
    this.video.load();
  }

  // May be called while the video plays: the sound changes at the next moment, the picture goes on.
  setSound(recording, offsetSeconds) {
    this.recording = recording;
    this.offsetSeconds = offsetSeconds;
    recording?.prefetch(this.video.currentTime + offsetSeconds);
    if (this.#chain && recording) this.#reschedule();
    else this.#silence(false);
  }

  async play(speed = 1) {
    this.#stopBackwards();
    const start = {};
    this.#start = start;
    this.speed = speed;
    this.video.playbackRate = speed;
    this.#silence();
    if (this.video.ended) this.video.currentTime = 0;
    if (this.video.paused) await this.#soundIsReady();
    if (this.#start !== start) return; // paused, or started at another speed
    this.#start = null;
    this.#clock.restart(speed);
    try {
      await this.video.play();
    } catch (error) {
      if (error.name !== "AbortError") this.onError(error); // a pause that came meanwhile is no fault
    }
  }

  // Picture and sound start together, unless the sound takes too long.
  #soundIsReady() {
    const segment = this.recording?.segmentAt(this.video.currentTime + this.offsetSeconds);
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MILLISECONDS));
    return Promise.race([Promise.all([this.context.resume(), segment]), patience]).catch(() => {}); // a chain says what is wrong
  }

  pause() {
    this.#stopBackwards();
    this.#start = null;
    this.video.pause();
    this.onState();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  // Once: normal speed; again: twice as fast, up to four times.
  forward() {
    const forwards = this.isPlaying && !this.#backwards;
    this.play(forwards ? SPEEDS[Math.min(SPEEDS.indexOf(this.speed) + 1, SPEEDS.length - 1)] : 1);
  }

  // Browsers don't play backwards: silent steps, as fast as the decoder follows.
  backward() {
    const speed = this.#backwards ? Math.min(this.speed * 2, SPEEDS.at(-1)) : 1;
    this.pause();
    this.speed = speed;
    this.#backwards = setInterval(() => {
      if (this.video.seeking) return;
      const next = this.video.currentTime - (speed * BACKWARDS_MILLISECONDS) / 1000;
      this.video.currentTime = Math.max(0, next);
      if (next <= 0) this.pause();
    }, BACKWARDS_MILLISECONDS);
    this.onState();
  }

  seek(seconds) {
    const last = Number.isFinite(this.video.duration) ? this.video.duration - this.frameSeconds / 2 : seconds;
    this.video.currentTime = Math.min(Math.max(0, seconds), Math.max(0, last));
    this.onTime(this.video.currentTime);
  }

  // To the middle of the neighbouring frame, so that rounding never shows the one before.
  step(numFrames) {
    this.pause();
    const frame = Math.floor(this.video.currentTime / this.frameSeconds + 1e-3);
    this.seek((frame + numFrames + 0.5) * this.frameSeconds);
  }

  setVolume(volume) {
    this.context;
    this.output.gain.value = volume;
  }

  #stopBackwards() {
    if (!this.#backwards) return;
    clearInterval(this.#backwards);
    this.#backwards = 0;
    this.speed = 1;
    this.onState();
  }

  #silence(restart = true) {
    if (restart) this.#clock?.restart();
    this.#chain?.stop(this.context.currentTime);
    this.#chain = null;
  }

  #watch() {
    if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) {
      const poll = (now) => {
        if (!this.video.paused) this.#frame(this.video.currentTime, now);
        requestAnimationFrame(poll);
      };
      requestAnimationFrame(poll);
      return;
    }
    const shown = (now, frame) => {
      this.#frame(frame.mediaTime, frame.expectedDisplayTime);
      this.video.requestVideoFrameCallback(shown);
    };
    this.video.requestVideoFrameCallback(shown);
  }

  #frame(mediaSeconds, displayMilliseconds) {
    this.onTime(mediaSeconds);
    if (this.video.paused || this.video.seeking || !this.#clock || this.context.state !== "running") return;
    this.#clock.frame(mediaSeconds, displayMilliseconds);
    if (!this.recording) return;
    if (!this.#chain) this.#reschedule();
    else if (this.#clock.numFrames >= SETTLED_FRAMES) this.#check();
  }

  #check() {
    const now = this.context.currentTime;
    const error = this.#chain.positionAt(now) - this.#clock.mediaAt(now) - this.offsetSeconds;
    if (Math.abs(error) < TOLERANCE_SECONDS || now - this.#checkedSeconds < 0.5) return;
    this.#checkedSeconds = now;
    this.#reschedule();
  }

  #reschedule() {
    const contextSeconds = this.context.currentTime + LEAD_SECONDS;
    const positionSeconds = this.#clock.mediaAt(contextSeconds) + this.offsetSeconds;
    this.#chain?.stop(contextSeconds);
    const line = { contextSeconds, positionSeconds, rate: this.speed };
    this.#chain = new Chain(this.output, this.recording, line, this.onError);
  }
}
