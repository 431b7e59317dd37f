// The offset: three drawings of it, its figure, and the ways to move it.
//
// Here `offset` is the one that people see (positive = the sound comes late). Where the clip lies in the recording is
// offset + the picture's own beginning.

import { api } from "./api.js";
import { byId } from "./dom.js";
import { Evidence } from "./evidence.js";
import { clockTime, lateness, offsetText, percent } from "./wording.js";
import { Detail, Overview } from "./waveform.js";

const NUM_PEAKS = 2000;
const KEY_STEPS = { overview: 0.1, detail: 0.001, evidence: 0.01 };

export class Timing {
  #request = null;

  constructor({ onOffset, onSeek, onFault, onMeasured }) {
    this.onOffset = onOffset;
    this.onMeasured = onMeasured;
    this.onFault = onFault;
    this.beginSeconds = 0;
    this.offsetSeconds = null;
    const place = (seconds, isFinal) => onOffset(seconds - this.beginSeconds, isFinal);
    this.overview = new Overview(byId("overview"), { onOffset: place, onSeek });
    this.detail = new Detail(byId("detail"), { onOffset: place });
    this.evidence = new Evidence(byId("evidence"), { onOffset });
    byId("wider").addEventListener("click", () => this.detail.zoom(2));
    byId("closer").addEventListener("click", () => this.detail.zoom(0.5));
    for (const [id, step] of Object.entries(KEY_STEPS)) {
      byId(id).addEventListener("keydown", (event) => this.#onKey(event, step));
    }
  }

  // Sliders answer to the arrows up and down, page and home; those to the left and right step frames everywhere.
  #onKey(event, step) {
    const steps = { ArrowUp: step, ArrowDown: -step, PageUp: 10 * step, PageDown: -10 * step };
    if (!(event.key in steps) || this.offsetSeconds === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.onOffset(this.offsetSeconds + steps[event.key], true);
  }

  clear() {
    this.#request?.abort();
    this.evidence.clear();
    this.overview.show({ peaks: [], durationSeconds: 0 });
    this.detail.show({ recording: null });
    byId("evidence-text").textContent = "";
    byId("why").textContent = "";
    this.setOffset(null);
  }

  // `choice`: the recording under the picture; `sound`: what the server says of it.
  async load(clip, choice, sound, recording) {
    this.#request?.abort();
    this.#request = new AbortController();
    const { signal } = this.#request;
    const picture = clip.picture ?? {};
    this.beginSeconds = picture.begin_seconds ?? 0;
    const clipSeconds = picture.duration_seconds ?? 0;
    this.evidence.clear();
    this.overview.show({ peaks: [], durationSeconds: sound.begin_seconds + sound.duration_seconds, clipSeconds });
    this.detail.show({ recording, clipSeconds, frameSeconds: 1 / (picture.fps || 25) });
    byId("why").textContent = choice.why ?? "";
    await Promise.all([this.#loadPeaks(choice.recording.id, sound, signal), this.#loadEvidence(clip, choice, signal)]);
  }

  async #loadPeaks(id, sound, signal) {
    const end = sound.begin_seconds + sound.duration_seconds;
    const onWait = (share) => { byId("place").textContent = `reading the recording … ${percent(share ?? 0)}`; };
    try {
      const answer = await api.peaks(id, { begin_seconds: 0, end_seconds: end, bins: NUM_PEAKS }, { signal, onWait });
      const loudest = answer.high.map((high, place) => Math.max(high, -answer.low[place]));
      const largest = loudest.reduce((most, value) => Math.max(most, value), 1);
      this.overview.show({ peaks: loudest.map((value) => Math.sqrt(value / largest)) });
      this.#write();
    } catch (error) {
      if (error.name !== "AbortError") this.onFault(error);
    }
  }

  async #loadEvidence(clip, choice, signal) {
    byId("evidence-text").textContent = "measuring …";
    await new Promise((resolve) => setTimeout(resolve, 250)); // whoever leafs through the queue starts nothing
    if (signal.aborted) return;
    try {
      const answer = await api.evidence(clip.id, choice.recording.id, { signal });
      if (signal.aborted) return;
      this.evidence.load(answer);
      byId("evidence-text").textContent = evidenceText(answer);
      this.onMeasured(choice, answer);
      this.evidence.show(this.offsetSeconds);
    } catch (error) {
      if (error.name !== "AbortError") byId("evidence-text").textContent = error.message;
    }
  }

  setOffset(offsetSeconds) {
    this.offsetSeconds = offsetSeconds;
    const place = (offsetSeconds ?? 0) + this.beginSeconds;
    this.overview.show({ offsetSeconds: place });
    this.detail.show({ offsetSeconds: place });
    this.evidence.show(offsetSeconds);
    this.#write();
  }

  setTime(timeSeconds) {
    this.overview.show({ timeSeconds });
    this.detail.show({ timeSeconds });
  }

  #write() {
    const { offsetSeconds, overview } = this;
    byId("offset").textContent = offsetText(offsetSeconds);
    byId("place").textContent = overview.durationSeconds ? placeText(overview) : "";
    const sides = Math.max(overview.durationSeconds, Math.abs(offsetSeconds ?? 0));
    for (const id of Object.keys(KEY_STEPS)) {
      byId(id).setAttribute("aria-valuemin", String(Math.round(-1000 * overview.clipSeconds || 0)));
      byId(id).setAttribute("aria-valuemax", String(Math.round(1000 * sides)));
      byId(id).setAttribute("aria-valuenow", String(Math.round(1000 * (offsetSeconds ?? 0))));
      byId(id).setAttribute("aria-valuetext", offsetSeconds === null ? "unknown" : `sound ${lateness(offsetSeconds)}`);
    }
  }
}

function placeText({ offsetSeconds, clipSeconds, durationSeconds }) {
  const [from, to] = [offsetSeconds, offsetSeconds + clipSeconds].map((seconds) => clockTime(seconds, 0.1));
  return `${from} – ${to} of ${clockTime(durationSeconds, 0.1)}`;
}

function evidenceText(answer) {
  if (answer.offset_seconds === null) return answer.message || "no offset found";
  const parts = [`sound ${lateness(answer.offset_seconds)}`];
  if (answer.offset_interval_seconds) parts.push(answer.offset_interval_seconds.map((bound) => offsetText(bound)).join(" … "));
  if (answer.belongs !== null) parts.push(`belongs ${percent(answer.belongs)}`);
  return parts.join(" · ");
}
