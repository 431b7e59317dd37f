// The queue: doubtful clips first, then the sure ones, what is decided and what can't be used; filters and search.

import { api, thumbnailUrl } from "./api.js";
import { byId, element, nameOf } from "./dom.js";
import { isTyping } from "./keyboard.js";
import { Group } from "./list.js";
import { lateness, percent, rulingText } from "./wording.js";

const TITLES = {
  check: "To check",
  sure: "Sure",
  decided: "Decided",
  failed: "Not usable",
  changed: "Changed by the last solve",
  all: "All clips",
};
const VIEWS = { queue: ["check", "sure", "decided", "failed"], changed: ["changed"], all: ["all"] };
const TYPING_MILLISECONDS = 150;

function sureness(row) {
  if (row.ruling.verdict === "accepted") return element("b", { class: "good" }, "✓ ", rulingText(row));
  if (row.ruling.verdict === "none") return element("b", {}, "✕ no match");
  if (!row.recording) return element("b", { class: "muted" }, "no match");
  return element("b", { class: row.section === "check" && !isOfOffset(row) ? "doubt" : null }, percent(row.confidence));
}

// Whether the clip is to check for its offset rather than for its recording.
function isOfOffset(row) {
  return row.section === "check" && row.recording !== null && row.offset_confidence !== null && row.offset_confidence < row.confidence;
}

function offsetWords(row) {
  if (!row.recording) return [];
  const words = [lateness(row.offset_seconds)];
  if (isOfOffset(row)) words.push(" ", element("b", { class: "doubt" }, `(${percent(row.offset_confidence)})`));
  return words;
}

function marks(row) {
  const { ruling } = row;
  const words = row.further.length ? [`+${row.further.length}`] : []; // recordings of the same moment
  if (row.change) words.push("changed");
  if (ruling.pinned) words.push("pinned");
  if (ruling.forbidden.length) words.push("forbidden pair");
  if (ruling.note) words.push("note");
  return words.map((word) => element("span", { class: "mark" }, word));
}

// The children of an option.
export function rowParts(row) {
  const still = element("img", { class: "still", src: thumbnailUrl(row.id), alt: "", loading: "lazy", decoding: "async" });
  still.addEventListener("error", () => still.classList.add("missing"), { once: true });
  const sound = row.recording ? nameOf(row.recording) : element("span", {}, row.section === "failed" ? "not usable" : "no recording");
  const figures = element("span", { class: "figures" }, sureness(row), element("span", {}, ...offsetWords(row)));
  return [still, element("span", { class: "names" }, nameOf(row), element("span", { class: "sound" }, sound, ...marks(row))), figures];
}

export class Queue {
  #groups = [];
  #position = null; // {group, index} of the chosen row
  #typing = 0;

  constructor({ onChoose, onFault }) {
    this.onChoose = onChoose;
    this.onFault = onFault;
    this.scroller = byId("lists");
    this.scroller.addEventListener("scroll", () => requestAnimationFrame(() => this.#groups.forEach((group) => group.render())));
    new ResizeObserver(() => this.#groups.forEach((group) => group.render())).observe(this.scroller);
    byId("search").addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#filtered(), TYPING_MILLISECONDS);
    });
    for (const id of ["cue", "device"]) byId(id).addEventListener("change", () => this.#filtered());
    byId("view").addEventListener("change", () => this.show(byId("view").value));
    this.#build("queue");
  }

  get filters() {
    return { search: byId("search").value.trim(), cue: byId("cue").value, device: byId("device").value };
  }

  async show(view) {
    byId("view").value = view;
    this.#build(view);
    await this.reload();
  }

  #build(view) {
    this.#position = null;
    this.#groups = VIEWS[view].map((section, place) => new Group(this.scroller, {
      section,
      title: TITLES[section],
      isOpen: place === 0,
      fetchPage: (name, offset, limit) => api.queue({ section: name, offset, limit, ...this.filters }),
      draw: rowParts,
      onChoose: (row) => this.choose(row),
    }));
    this.scroller.replaceChildren(...this.#groups.map((group) => group.element));
  }

  async #filtered() {
    await this.reload();
    if (!this.filters.search) return;
    this.scroller.scrollTop = 0;
    this.#groups.forEach((group) => group.total && group.open(true)); // what was searched for is seen
  }

  async reload() {
    try {
      await Promise.all(this.#groups.map((group) => group.reload()));
    } catch (error) {
      this.onFault(error);
    }
    this.#groups.forEach((group) => group.render());
    if (this.selectedId) this.#mark(this.selectedId);
  }

  // Nobody who is writing is torn from it: what he typed next would be keys.
  choose(row) {
    this.#mark(row.id);
    if (this.#position && !isTyping(document.activeElement)) this.#position.group.list.focus({ preventScroll: true });
    this.onChoose(row);
  }

  #mark(id) {
    this.selectedId = id;
    this.#position = null;
    for (const group of this.#groups) {
      const index = group.indexOf(id);
      if (index >= 0 && !this.#position) this.#position = { group, index };
      group.select(id);
    }
    if (this.#position?.group.isOpen) this.#position.group.reveal(this.#position.index);
  }

  focus() {
    (this.#position?.group ?? this.#groups[0]).list.focus({ preventScroll: true });
  }

  // The first clip that is worth a look.
  async first() {
    for (const group of this.#groups) {
      const row = group.isOpen ? await group.rowAt(0) : null;
      if (row) return this.choose(row);
    }
    return this.onChoose(null);
  }

  async move(step) {
    if (!this.#position) return this.first();
    let { group, index } = this.#position;
    index += step;
    while (index < 0 || index >= group.total) {
      const open = this.#groups.filter((other) => other.isOpen && other.total);
      group = open[open.indexOf(group) + step];
      if (!group) return undefined;
      index = step > 0 ? 0 : group.total - 1;
    }
    const row = await group.rowAt(index);
    return row && this.choose(row);
  }

  // A row has changed: where it stood, a fresh copy or the next one. Returns the row that now stands in its place.
  async replace(row) {
    let next = null;
    for (const group of this.#groups) {
      const index = group.indexOf(row.id);
      const belongs = group.section === row.section || group.section === "all" || group.section === "changed";
      if (index >= 0 && belongs) {
        group.put(index, row);
      } else if (index >= 0) {
        group.remove(index);
        next = (await group.rowAt(Math.min(index, group.total - 1))) ?? null;
      } else if (group.section === row.section) {
        if (row.section === "decided") group.unshift(row);
        else await group.reload();
      }
    }
    this.#groups.forEach((group) => group.render());
    return next;
  }

  // What can be filtered by, as far as there is a choice.
  setFilters({ cues, devices }) {
    for (const [id, label, names] of [["cue", "every cue", cues], ["device", "every device", devices]]) {
      const list = byId(id);
      const chosen = list.value;
      list.replaceChildren(new Option(label, ""), ...names.map((name) => new Option(name, name)));
      list.value = names.includes(chosen) ? chosen : "";
      list.hidden = names.length === 0;
    }
  }
}
