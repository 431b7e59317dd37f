// The picture, its transport and what is drawn over it.

import { api, soundUrl } from "./api.js";
import { byId, setPressed } from "./dom.js";
import { Overlay } from "./overlay.js";
import { Player } from "./player.js";
import { Recording } from "./sound.js";
import { clockTime, percent } from "./wording.js";

const SEGMENT_SECONDS = 10;
const POLL_MILLISECONDS = 700;

const paused = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class UnplayableError extends Error {}

// A clip's picture once it can be played; `signal` ends the waiting for one that is still being made.
export async function playable(clip, picture, signal, say) {
  let now = picture;
  while (now.state !== "ready") {
    if (now.state === "failed") throw new UnplayableError(now.message || "The picture can't be shown.");
    say(`Making a picture that browsers play … ${percent(now.share)}`);
    now = await api.picture(clip.id, { signal });
    if (now.state !== "ready") await paused(POLL_MILLISECONDS);
    signal.throwIfAborted();
  }
  return now;
}

// A sound that is fetched piece by piece.
export function soundFrom(context, id, endSeconds) {
  const urlOf = (index) => soundUrl(id, index * SEGMENT_SECONDS, SEGMENT_SECONDS);
  return new Recording(context, { durationSeconds: endSeconds, segmentSeconds: SEGMENT_SECONDS, urlOf });
}

export class Screen {
  #overlayKey = "";
  #wish = 0;
  #isOfSound = false; // what is said

  constructor({ onTime, onFault }) {
    this.onTime = onTime;
    this.onFault = onFault;
    this.picture = null;
    this.pair = null; // {clip, recording, offsetSeconds} of the overlay
    this.player = new Player(byId("video"), {
      onTime: (seconds) => this.#atTime(seconds),
      onState: () => this.#atState(),
      onError: (error) => this.#fault(error),
    });
    this.overlay = new Overlay(byId("overlay"), byId("video"));
    byId("video").addEventListener("loadedmetadata", () => this.overlay.redraw());
    byId("seek").addEventListener("input", () => this.player.seek(Number(byId("seek").value)));
    byId("frame").addEventListener("click", () => this.player.toggle());
  }

  // `signal` ends the waiting for a picture that is still being made.
  async load(clip, signal) {
    this.player.load("", 1 / 25);
    this.#say("");
    this.overlay.load(null);
    this.#overlayKey = "";
    this.picture = clip.picture ?? null;
    if (!this.picture) return this.#say(clip.message || "This clip can't be shown.");
    this.#setLength();
    try {
      this.picture = await playable(clip, this.picture, signal, (text) => this.#say(text));
    } catch (error) {
      if (error instanceof UnplayableError) return this.#say(error.message);
      throw error;
    }
    this.#say("");
    this.#setLength();
    return this.player.load(this.picture.url, 1 / (this.picture.fps || 25));
  }

  recordingOf(id, endSeconds) {
    return soundFrom(this.player.context, id, endSeconds);
  }

  show(kind) {
    this.overlay.shows[kind] = !this.overlay.shows[kind];
    setPressed(byId(kind), this.overlay.shows[kind]);
    this.overlay.redraw();
    this.#loadOverlay();
  }

  setPair(pair) {
    this.pair = pair;
    this.#loadOverlay();
  }

  toggleMute() {
    const muted = byId("mute").getAttribute("aria-pressed") !== "true";
    setPressed(byId("mute"), muted);
    this.player.setVolume(muted ? 0 : 1);
  }

  async #loadOverlay() {
    if (!this.pair?.recording || !this.overlay.isWanted) return;
    const { clip, recording, offsetSeconds } = this.pair;
    const key = `${clip} ${recording} ${offsetSeconds.toFixed(2)}`;
    if (key === this.#overlayKey) return;
    this.#overlayKey = key;
    this.#wish += 1;
    const wish = this.#wish;
    this.#say("Looking where the sound comes from …");
    try {
      const answer = await api.overlay(clip, recording, offsetSeconds);
      if (wish !== this.#wish) return;
      this.overlay.load(answer);
      this.#say("");
    } catch (error) {
      if (wish === this.#wish) this.#say(error.message);
    }
  }

  #setLength() {
    byId("seek").max = Math.max(this.picture.duration_seconds || 0, 0.01);
    this.#atTime(0);
  }

  // What is wrong with a sound is said until another one is chosen.
  #fault(error) {
    this.#isOfSound = !(error instanceof MediaError);
    this.#say(error.message || "this picture can't be played here");
  }

  forgetSound() {
    if (this.#isOfSound) this.#say("");
    this.#isOfSound = false;
  }

  #say(text) {
    byId("wait").textContent = text;
    byId("wait").hidden = text === "";
  }

  #atTime(seconds) {
    byId("seek").value = seconds;
    byId("seek").setAttribute("aria-valuetext", clockTime(seconds));
    const frame = Math.floor(seconds / this.player.frameSeconds + 1e-3);
    byId("time").textContent = `${clockTime(seconds)} · ${frame}`;
    this.overlay.at(seconds);
    this.onTime(seconds);
  }

  #atState() {
    const { isPlaying, speed, direction } = this.player;
    const name = isPlaying ? "Pause" : "Play";
    byId("play").textContent = isPlaying ? "❚❚" : "▶";
    byId("play").setAttribute("aria-label", name);
    byId("screen").dataset.speed = isPlaying && (speed !== 1 || direction < 0) ? `${direction < 0 ? "−" : ""}${speed}×` : "";
  }
}
