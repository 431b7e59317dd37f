// The search box: a clip is dropped, or taken from the queue, and the sounds of an index that go with it are heard
// under it, each where it fits the picture.

import { api, ApiError } from "./api.js";
import { open } from "./dialogs.js";
import { element, nameOf, pathOf, visible } from "./dom.js";
import { Player } from "./player.js";
import { playable, soundFrom } from "./screen.js";
import { clockTime, counted, percent, scoreText } from "./wording.js";

// Where in a sound the clip begins.
function inPoint(seconds) {
  return seconds < 0 ? `begins ${clockTime(-seconds)} after the clip` : `from ${clockTime(seconds)}`;
}

const sizeText = (bytes) => (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`);

export class SearchBox {
  #request = null; // ends what is being sent, looked for, or waited for
  #hits = [];
  #clip = null; // {id, name, picture} that is searched for

  constructor(index) {
    this.index = index;
    this.video = element("video", { playsinline: true, preload: "auto", tabindex: -1, "aria-label": "Picture of the clip" });
    this.player = new Player(this.video, {
      onTime: (seconds) => this.#atTime(seconds),
      onState: () => this.#atState(),
      onError: (error) => this.#say(error.message || "this picture can't be played here", true),
    });
    this.element = this.#draw();
  }

  #draw() {
    this.file = element("input", { type: "file", id: "search-file", accept: "video/*,.mkv,.mxf,.mts,.avi,.mov" });
    this.file.addEventListener("click", () => { this.file.value = ""; }); // the same file may be chosen again
    this.file.addEventListener("change", () => this.file.files.length && this.drop(this.file.files[0]));
    this.own = element("button", { type: "button", hidden: true, onclick: () => this.search(this.row) });
    this.kind = element("select", {}, element("option", { value: "" }, "of every kind"),
      ...this.index.kinds.map((kind) => element("option", { value: kind }, `only ${kind}`)));
    this.kind.addEventListener("change", () => this.#clip && this.search(this.#clip));
    this.said = element("p", { role: "status", class: "said" });
    this.play = element("button", { type: "button", "aria-label": "Play", onclick: () => this.player.toggle() }, "▶");
    this.seek = element("input", { type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": "Position in the clip" });
    this.seek.addEventListener("input", () => this.player.seek(Number(this.seek.value)));
    this.time = element("output", { "aria-label": "Time in the clip" }, clockTime(0));
    this.screen = element("div", { class: "preview", hidden: true },
      element("div", { class: "frame", onclick: () => this.player.toggle() }, this.video),
      element("div", { class: "transport", role: "group", "aria-label": "Playing" }, this.seek, this.play, this.time));
    this.list = element("fieldset", { class: "hits", hidden: true });
    this.list.addEventListener("change", (event) => this.#choose(this.#hits[Number(event.target.value)]));
    const box = element("section", { class: "search-box", "aria-label": "Search sounds" },
      element("p", { class: "muted" }, `${counted(this.index.files, "sound", "sounds")} in `, element("bdi", { title: visible(this.index.folder) }, visible(this.index.name)), "."),
      element("div", { class: "drop" }, element("label", { for: "search-file" }, "Drop a clip here, or choose one: "), this.file, this.own,
        element("label", { class: "kind" }, "Sounds ", this.kind)),
      this.said, this.screen, this.list);
    box.addEventListener("keydown", (event) => this.#onKey(event));
    return box;
  }

  // In a dialog of its own; `row` is the clip of the queue that may be searched for.
  open(row = null) {
    this.offer(row);
    if (this.element.isConnected) return;
    const dialog = open("Search sounds", this.element);
    dialog.classList.add("searching");
    dialog.addEventListener("close", () => this.player.pause());
  }

  offer(row) {
    this.row = row;
    this.own.hidden = !row;
    if (row) this.own.replaceChildren("Search for ", nameOf(row));
  }

  // Files that are dropped anywhere on the page.
  listenToDrops(opening) {
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        this.element.classList.add("over");
      });
    }
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && this.element.classList.remove("over"));
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.element.classList.remove("over");
      if (!event.dataTransfer.files.length) return;
      opening();
      this.drop(event.dataTransfer.files[0]);
    });
  }

  async drop(file) {
    if (file.size > this.index.most_bytes) {
      this.#say(`${visible(file.name)} has ${sizeText(file.size)}, and ${sizeText(this.index.most_bytes)} is the most; run avmatch search in a terminal.`, true);
      return;
    }
    const signal = this.#begin(`Sending ${visible(file.name)} …`);
    try {
      await this.search(await api.sendClip(file, { signal }));
    } catch (error) {
      this.#fault(error);
    }
  }

  // clip: {id, name, picture}; a row of the queue has no picture yet.
  async search(clip) {
    const signal = this.#begin(`Looking at ${visible(clip.name)} …`);
    this.#clip = clip;
    this.#forget();
    try {
      const [answer, picture] = await Promise.all([
        api.search({ clip: clip.id, kind: this.kind.value }, { signal }),
        playable(clip, clip.picture ?? await api.picture(clip.id, { signal }), signal, (text) => this.#say(text)),
      ]);
      this.#show(clip, picture, answer.hits);
    } catch (error) {
      this.#fault(error);
    }
  }

  #begin(text) {
    this.#request?.abort();
    this.#request = new AbortController();
    this.#say(text);
    return this.#request.signal;
  }

  #forget() {
    this.player.load("", 1 / 25);
    this.#hits = [];
    this.list.hidden = true;
    this.screen.hidden = true;
  }

  #show(clip, picture, hits) {
    this.beginSeconds = picture.begin_seconds ?? 0;
    this.seek.max = Math.max(picture.duration_seconds || 0, 0.01);
    this.screen.hidden = false;
    this.player.load(picture.url, 1 / (picture.fps || 25));
    this.#hits = hits;
    this.#say(hits.length ? `${counted(hits.length, "sound", "sounds")} for ${visible(clip.name)}.` : `No sound of this kind for ${visible(clip.name)}.`);
    this.list.replaceChildren(element("legend", {}, "Sounds, the best first"), ...hits.map((hit, place) => this.#drawHit(hit, place)));
    this.list.hidden = hits.length === 0;
    if (hits.length) {
      this.#choose(hits[0]);
      this.list.querySelector("input").focus();
    }
  }

  #drawHit(hit, place) {
    const facts = [inPoint(hit.start_seconds), hit.kind, `score ${scoreText(hit.score)}`].filter(Boolean).join(" · ");
    return element("label", { class: "candidate", title: pathOf(hit.sound) },
      element("input", { type: "radio", name: "hit", value: place, checked: place === 0 }),
      element("span", { class: "rank" }, hit.rank),
      element("span", { class: "names" }, nameOf(hit.sound), element("span", { class: "facts" }, facts), element("span", { class: "facts" }, visible(hit.why))),
      element("span", { class: "figures" }, element("b", { title: "recorded together" }, percent(hit.confidence))),
    );
  }

  #choose(hit) {
    const recording = soundFrom(this.player.context, hit.sound.id, Math.max(0, hit.start_seconds + hit.length_seconds));
    this.player.setSound(recording, this.beginSeconds + hit.start_seconds);
  }

  // The space bar plays, where the element that has the focus doesn't need it.
  #onKey(event) {
    const isRadio = event.target.matches("input[type=radio]");
    if (event.key !== " " || !(isRadio || event.target === this.seek)) return;
    event.preventDefault();
    this.player.toggle();
  }

  #fault(error) {
    if (error.name === "AbortError") return;
    const isGone = error instanceof ApiError && error.status === 404;
    this.#say(isGone ? "This clip isn't kept any more; drop it again." : error.message, true);
  }

  #say(text, isFault = false) {
    this.said.textContent = text;
    this.said.classList.toggle("fault", isFault);
  }

  #atTime(seconds) {
    this.seek.value = seconds;
    this.seek.setAttribute("aria-valuetext", clockTime(seconds));
    this.time.textContent = clockTime(seconds);
  }

  #atState() {
    const { isPlaying } = this.player;
    this.play.textContent = isPlaying ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  }
}
