// The chosen clip: its recordings to choose from, what would be accepted, and what was decided.

import { api } from "./api.js";
import { byId, element, nameOf, pathOf, setPressed } from "./dom.js";
import { Screen } from "./screen.js";
import { Timing } from "./timing.js";
import { counted, furtherText, lateness, offsetText, percent, rulingText, scoreText } from "./wording.js";

const MAX_CHOICES = 9;
const OWN_SOUND = "own"; // the camera's own sound, to listen to
const SAME_SECONDS = 0.0005;

export class Stage {
  #request = null;
  #sounds = new Map(); // id of a recording → what the server says of it
  #wish = null; // what was chosen before the clip was there: returns a choice

  constructor({ onFault }) {
    this.onFault = onFault;
    this.row = null;
    this.clip = null;
    this.choices = [];
    this.choice = null; // the recording under the picture
    this.offsetSeconds = null;
    this.listensToOwn = false;
    this.screen = new Screen({ onTime: (seconds) => this.timing?.setTime(seconds), onFault });
    this.timing = new Timing({
      onOffset: (seconds, isFinal) => this.setOffset(seconds, isFinal),
      onSeek: (seconds) => this.screen.player.seek(seconds),
      onMeasured: (choice, answer) => this.#onMeasured(choice, answer),
      onFault,
    });
    byId("candidates").addEventListener("change", (event) => this.choose(this.choices[Number(event.target.value)]));
  }

  get player() {
    return this.screen.player;
  }

  get frameSeconds() {
    return this.player.frameSeconds;
  }

  // Whether the offset is another than the one that was measured for the chosen recording.
  get isOwnOffset() {
    const measured = this.choice?.measuredSeconds ?? null;
    return this.offsetSeconds !== null && (measured === null || Math.abs(this.offsetSeconds - measured) > SAME_SECONDS);
  }

  async show(row) {
    this.#request?.abort();
    this.#wish = null;
    this.row = row;
    this.clip = null;
    this.choice = null;
    this.choices = [];
    byId("note").value = row?.ruling.note ?? "";
    this.timing.clear();
    this.player.pause();
    this.#writeHeading();
    this.#writeRuling();
    byId("candidates").replaceChildren();
    if (!row) return;
    this.#request = new AbortController();
    const { signal } = this.#request;
    try {
      this.clip = await api.clip(row.id, { signal });
      this.update(this.clip);
      this.#offer();
      await Promise.all([this.screen.load(this.clip, signal), this.choose(this.#wish?.() ?? this.#proposed())]);
      if (this.choice) await this.#applySound();
    } catch (error) {
      if (error.name !== "AbortError") this.onFault(error);
    }
  }

  // A fresh copy of the row: what was decided, here or in another tab. The picture goes on.
  update(row) {
    if (this.row?.id !== row.id) return;
    this.row = row;
    this.#writeHeading();
    this.#writeRuling();
    if (!this.choices.length) return;
    this.#gather();
    this.#drawChoices();
  }

  #offer() {
    this.choices = this.clip.candidates.map((candidate) => ({
      ...candidate,
      offsetSeconds: candidate.offset_seconds,
      measuredSeconds: candidate.offset_seconds,
    }));
    const { recording } = this.row;
    const held = recording && this.#choiceOf(recording, this.row.offset_seconds);
    if (held && this.row.offset_seconds !== null) {
      held.offsetSeconds = this.row.offset_seconds;
      if (!this.row.ruling.own_offset) held.measuredSeconds = this.row.offset_seconds; // the finer of two measurements
    }
    this.#gather();
    this.#drawChoices();
  }

  // The choice of a recording, which may be another than those on the list.
  #choiceOf(recording, offsetSeconds = null) {
    const known = this.choices.find((choice) => choice.recording.id === recording.id);
    if (known) return known;
    const added = {
      rank: null, recording, score: null, confidence: null, belongs: null, why: "", clips: [], offsetSeconds, measuredSeconds: offsetSeconds,
    };
    this.choices.push(added);
    return added;
  }

  // The other recordings of the clip's moment, each at its place.
  #gather() {
    for (const { recording, offset_seconds: seconds } of this.row.further) {
      const choice = this.#choiceOf(recording);
      choice.measuredSeconds = seconds;
      if (choice !== this.choice) choice.offsetSeconds = seconds;
    }
  }

  async addChoice(recording) {
    const chosen = () => this.#choiceOf(recording);
    if (this.clip) await this.choose(chosen());
    else this.#wish = chosen;
  }

  // None where the result says that there is no match: whoever presses Enter unseen agrees with the result.
  #proposed() {
    return this.choices.find((choice) => choice.recording.id === this.row.recording?.id) ?? null;
  }

  async chooseNumber(number) {
    const chosen = () => this.choices[number - 1];
    if (!this.clip) this.#wish = chosen;
    else if (chosen()) await this.choose(chosen());
  }

  async choose(choice) {
    this.choice = choice ?? null;
    this.offsetSeconds = choice?.offsetSeconds ?? null;
    this.listensToOwn = false;
    this.#drawChoices();
    this.#writeRuling();
    if (!choice) {
      this.timing.clear();
      return this.#applySound();
    }
    const clip = this.clip;
    try {
      const sound = await this.#soundOf(choice.recording.id);
      if (clip !== this.clip || choice !== this.choice) return undefined;
      const recording = this.screen.recordingOf(choice.recording.id, sound.begin_seconds + sound.duration_seconds);
      choice.sound = recording;
      this.#applySound();
      this.timing.load(clip, choice, sound, recording);
      this.timing.setOffset(this.offsetSeconds);
    } catch (error) {
      this.onFault(error);
    }
    return undefined;
  }

  async #soundOf(id) {
    if (!this.#sounds.has(id)) this.#sounds.set(id, (await api.recording(id)).sound);
    return this.#sounds.get(id);
  }

  #applySound() {
    if (!this.clip) return;
    this.screen.forgetSound();
    const begin = this.clip?.picture?.begin_seconds ?? 0;
    const place = begin + (this.offsetSeconds ?? 0);
    if (this.listensToOwn) {
      const end = begin + (this.clip.picture?.duration_seconds ?? 0);
      this.player.setSound(this.screen.recordingOf(this.clip.id, end), begin);
    } else {
      this.player.setSound(this.choice?.sound ?? null, place);
    }
    for (const other of this.choices.slice(0, MAX_CHOICES)) {
      other.sound?.prefetch(this.player.video.currentTime + begin + (other.offsetSeconds ?? 0));
    }
    this.screen.setPair(this.choice && { clip: this.row.id, recording: this.choice.recording.id, offsetSeconds: this.offsetSeconds ?? 0 });
  }

  listenToOwn() {
    if (!this.clip) return;
    this.listensToOwn = !this.listensToOwn;
    this.#drawChoices();
    this.#applySound();
  }

  // While the finger is down only the drawings follow.
  setOffset(seconds, isFinal) {
    if (!this.choice) return;
    this.offsetSeconds = Math.round(seconds * 1e4) / 1e4;
    this.choice.offsetSeconds = this.offsetSeconds;
    this.timing.setOffset(this.offsetSeconds);
    this.#writeRuling();
    if (!isFinal) return;
    this.listensToOwn = false;
    this.#drawChoices();
    this.#applySound();
  }

  nudge(seconds) {
    this.setOffset((this.offsetSeconds ?? 0) + seconds, true);
  }

  resetOffset() {
    const measured = this.choice?.measuredSeconds ?? null;
    if (measured !== null) this.setOffset(measured, true);
  }

  #onMeasured(choice, answer) {
    if (choice !== this.choice || answer.offset_seconds === null) return;
    const wasUnknown = choice.measuredSeconds === null;
    if (wasUnknown) choice.measuredSeconds = answer.offset_seconds;
    if (this.offsetSeconds === null) this.setOffset(answer.offset_seconds, true);
    this.#writeRuling();
  }

  // ---- what is written

  #writeHeading() {
    const { row } = this;
    byId("title").replaceChildren(row ? nameOf(row) : "Nothing left to check");
    const parts = row ? [row.folder, row.device && `device ${row.device}`].filter(Boolean) : [];
    byId("subtitle").textContent = parts.join(" · ");
  }

  #drawChoices() {
    const legend = element("legend", {}, counted(this.choices.length, "recording", "recordings"));
    const hadFocus = byId("candidates").contains(document.activeElement);
    byId("candidates").replaceChildren(legend, ...this.choices.map((choice, place) => this.#drawChoice(choice, place)), this.#drawOwn());
    if (hadFocus) byId("candidates").querySelector("input:checked")?.focus();
  }

  #drawChoice(choice, place) {
    const { row } = this;
    const isChosen = choice === this.choice && !this.listensToOwn;
    const input = element("input", { type: "radio", name: "candidate", value: place, checked: isChosen });
    const facts = [choice.offsetSeconds === null ? "offset unknown" : lateness(choice.offsetSeconds)];
    if (choice.score !== null) facts.push(`score ${scoreText(choice.score)}`);
    if (choice.belongs !== null) facts.push(`belongs ${percent(choice.belongs)}`);
    const others = choice.clips.filter((clip) => clip.id !== row.id);
    if (others.length) facts.push(`now with ${others.map((clip) => clip.name).join(", ")}`);
    const fitting = (choice.further_of ?? []).filter((clip) => clip.id !== row.id);
    if (fitting.length) facts.push(`also fits ${fitting.map((clip) => clip.name).join(", ")}`);
    const marks = [];
    if (row.ruling.recording === choice.recording.id) marks.push("accepted");
    else if (row.recording?.id === choice.recording.id) marks.push("proposed");
    const more = row.further.find((item) => item.recording.id === choice.recording.id);
    if (more) marks.push(furtherText(more.role));
    if (row.ruling.pinned === choice.recording.id) marks.push("pinned");
    if (row.ruling.forbidden.includes(choice.recording.id)) marks.push("forbidden");
    return element("label", { class: "candidate", title: pathOf(choice.recording) },
      input,
      element("kbd", {}, place < MAX_CHOICES ? place + 1 : ""),
      element("span", { class: "names" }, nameOf(choice.recording), element("span", { class: "facts" }, facts.join(" · "))),
      element("span", { class: "figures" }, element("b", {}, percent(choice.confidence)), ...marks.map((mark) => element("span", { class: "mark" }, mark))),
    );
  }

  #drawOwn() {
    const button = element("button", { type: "button", class: "own", "data-key": "0" }, "Camera's own sound ", element("kbd", {}, "0"));
    setPressed(button, this.listensToOwn);
    return button;
  }

  #writeRuling() {
    const { row, choice } = this;
    const id = choice?.recording.id;
    const decided = row ? rulingText(row) : "";
    byId("reopen").hidden = decided === "";
    byId("accept").disabled = !row;
    byId("none").hidden = row !== null && !choice; // then accepting says the same
    byId("accept").firstChild.textContent = row && !choice ? "Accept: no match " : "Accept ";
    setPressed(byId("pin"), row !== null && id !== undefined && row.ruling.pinned === id);
    setPressed(byId("forbid"), row !== null && row.ruling.forbidden.includes(id));
    byId("reset").disabled = !this.isOwnOffset || (choice?.measuredSeconds ?? null) === null;
    byId("offset").classList.toggle("own", this.isOwnOffset);
    if (row && document.activeElement !== byId("note")) byId("note").value = row.ruling.note;
    const words = [decided && `Decided: ${decided}.`, row?.change && changeText(row.change)];
    if (row && !choice && !decided) words.push(`Proposed: no match.${this.choices.length ? " Choose a recording to hear it." : ""}`);
    byId("ruling").textContent = words.filter(Boolean).join(" ");
    byId("further").replaceChildren(...(row?.further ?? []).map(furtherLine));
  }
}

// A recording that goes with the one that holds: a second recorder, or the next file of one that splits.
function furtherLine({ recording, role, offset_seconds: seconds }) {
  const what = role === "continues" ? "the recorder split its file" : "another recorder of the take";
  return element("li", {}, "Also under this clip: ", nameOf(recording), ` (${what}), ${lateness(seconds)}.`);
}

function changeText(change) {
  if (!change.recording) return "Before the last solve: no match.";
  return `Before the last solve: ${change.recording.name}, ${offsetText(change.offset_seconds)}, ${percent(change.confidence)}.`;
}
