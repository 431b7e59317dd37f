// The review: a queue on the left, a clip on the right. docs/review.md is the contract with the server.

import { api, ApiError, listen } from "./api.js";
import { askDevices, askTake, chooseRecording, openHelp } from "./dialogs.js";
import { byId, element, toast, visible } from "./dom.js";
import { exportProgress, openExport } from "./export.js";
import { listenToKeys } from "./keyboard.js";
import { Queue } from "./queue.js";
import { SearchBox } from "./search.js";
import { Stage } from "./stage.js";
import { counted, doneText, stepText } from "./wording.js";

const NUDGES = { "[": -0.01, "]": 0.01, "{": -0.001, "}": 0.001 };

class Review {
  #deciding = Promise.resolve(); // one decision after another: each sends the revision that the one before made

  constructor() {
    this.state = { revision: 0, counts: {}, undo: null, redo: null };
    this.result = null;
    this.stage = new Stage({ onFault: (error) => this.fault(error) });
    this.queue = new Queue({ onChoose: (row) => this.choose(row), onFault: (error) => this.fault(error) });
    byId("back").addEventListener("click", () => this.showQueue());
    byId("note").addEventListener("change", () => this.decide("note", { text: byId("note").value }));
    for (const [id, key] of [["undo", "u"], ["redo", "U"], ["solve", "s"], ["find", "g"], ["export", "e"], ["help", "?"]]) byId(id).dataset.key = key;
  }

  async start() {
    const { has_result: hasResult, index } = await api.index();
    this.search = index && new SearchBox(index);
    this.search?.listenToDrops(() => this.find());
    if (!hasResult) return this.#startWithoutResult(index);
    byId("find").hidden = !index;
    return this.#startResult();
  }

  // Only an index to search in.
  #startWithoutResult(index) {
    document.body.dataset.view = "search";
    byId("folder").textContent = visible(index.name);
    byId("folder").title = visible(index.folder);
    document.title = `${visible(index.name)} · avmatch search`;
    byId("stage").replaceChildren(this.search.element);
    byId("stage").removeAttribute("aria-labelledby");
  }

  find() {
    if (!this.search || document.body.dataset.view === "search") return; // it is there already
    this.stage.player.pause();
    this.search.open(this.stage.row);
  }

  async #startResult() {
    listenToKeys((key) => this.run(key));
    this.result = await this.refresh();
    byId("folder").textContent = this.result.name;
    byId("folder").title = this.result.folder;
    document.title = `${this.result.name} · avmatch review`;
    this.setSolve(this.result.solve);
    await this.queue.reload();
    const isNarrow = matchMedia("(max-width: 52rem)").matches;
    if (!isNarrow) await this.queue.first();
    listen({
      state: (state) => this.onState(state),
      solve: (solve) => this.setSolve(solve, true),
      export: exportProgress,
    });
  }

  // State, and what can be filtered by.
  async refresh() {
    const result = await api.result();
    this.setState(result);
    this.queue.setFilters(result);
    return result;
  }

  fault(error) {
    toast(error.message, { isFault: true });
  }

  choose(row) {
    document.body.dataset.view = row ? "stage" : "queue";
    this.stage.show(row);
  }

  showQueue() {
    document.body.dataset.view = "queue";
    this.queue.focus();
  }

  // ---- what the server says

  setState(state) {
    this.state = { ...this.state, ...state };
    const { counts, undo, redo } = this.state;
    const figures = [
      ["check", counts.check, "to check", counts.check ? "doubt" : "none"],
      ["sure", counts.sure, "sure", ""],
      ["decided", counts.decided, "decided", ""],
      ["changed", counts.changed, "changed", counts.changed ? "" : "none"],
      ["failed", counts.failed, "not usable", counts.failed ? "fault" : "none"],
    ];
    byId("counts").replaceChildren(...figures
      .filter(([name, count]) => count || name === "check" || name === "decided")
      .map(([, count, text, tone]) => element("li", { class: tone }, element("b", {}, (count ?? 0).toLocaleString("en")), ` ${text}`)));
    for (const [id, entry] of [["undo", undo], ["redo", redo]]) {
      byId(id).disabled = !entry;
      byId(id).title = entry ? `${id} ${stepText(entry)}` : `nothing to ${id}`;
    }
  }

  // Also what other tabs do.
  async onState(state) {
    if (state.revision <= this.state.revision) return;
    await this.#deciding;
    if (state.revision <= this.state.revision) return;
    this.setState(state);
    await this.queue.reload();
    const { row } = this.stage;
    if (row && state.subject === row.id) {
      this.stage.update(await api.clip(row.id));
      toast(`${row.name} was changed in another tab.`);
    }
  }

  async setSolve(solve, isNews = false) {
    const isRunning = solve.state === "running";
    byId("solving").hidden = !isRunning;
    byId("solve").disabled = isRunning;
    byId("solve-text").textContent = solve.total ? `${solve.stage} ${solve.done} of ${solve.total}` : solve.stage ?? "";
    if (solve.total) byId("solve-progress").value = solve.done / solve.total;
    else byId("solve-progress").removeAttribute("value");
    if (!isNews || isRunning) return;
    if (solve.state === "failed") this.fault(new Error(solve.message || "solving again failed"));
    if (solve.state === "done") await this.#solved(solve);
  }

  async #solved(solve) {
    await this.refresh();
    await this.queue.reload();
    if (this.stage.row) this.stage.update(await api.clip(this.stage.row.id));
    const action = solve.changed ? { label: "Show them", run: () => this.queue.show("changed") } : null;
    toast(solve.changed ? `Solved again: ${counted(solve.changed, "clip", "clips")} changed.` : "Solved again: nothing changed.", { action, seconds: 20 });
  }

  // ---- deciding

  decide(kind, values = {}, { advance = false, subject = null } = {}) {
    const row = subject ?? this.stage.row;
    if (!row) return Promise.resolve();
    this.#deciding = this.#deciding.then(() => this.#decide(kind, values, row, advance)).catch((error) => this.fault(error));
    return this.#deciding;
  }

  async #decide(kind, values, row, advance) {
    const isShown = this.stage.row?.id === row.id;
    const { revision } = isShown ? this.stage.row : row;
    try {
      const answer = await api.decide({ subject: row.id, revision, kind, ...values });
      this.setState(answer);
      if (answer.row) await this.#took(answer.row, advance && isShown);
      if (kind !== "note") toast(`${row.name} ${doneText(kind)}.`, { action: { label: "Undo", run: () => this.run("u") } });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
      await this.#conflict(error, kind, values, row, advance);
    }
  }

  async #took(row, advance) {
    this.stage.update(row);
    const next = await this.queue.replace(row);
    if (advance) await this.#advance(row, next);
    await this.queue.reload(); // a recording that one clip gets, another one loses
  }

  async #advance(row, next) {
    if (next) this.queue.choose(next);
    else if (row.section === "decided" && !this.state.counts.check) this.choose(null);
    else await this.queue.move(1);
  }

  // Another tab was faster, or the recording is another clip's.
  async #conflict(error, kind, values, row, advance) {
    if (error.holder) {
      if (!(await askTake(this.stage.choice.recording, error.holder))) return;
      await this.#decide(kind, { ...values, take: true }, row, advance);
      await this.queue.reload();
      return;
    }
    const current = error.current ?? (await api.clip(row.id));
    this.stage.update(current);
    await this.queue.replace(current);
    await this.refresh();
    toast(`${row.name} was changed in another tab; nothing was overwritten. This is what holds now.`, { isFault: true });
  }

  accept() {
    const { clip, choice, offsetSeconds, isOwnOffset } = this.stage;
    if (!clip) return; // nothing is seen of it yet
    if (!choice) this.decide("none", {}, { advance: true });
    else this.decide("accept", { recording: choice.recording.id, offset_seconds: offsetSeconds, own_offset: isOwnOffset }, { advance: true });
  }

  pin() {
    const { row, choice } = this.stage;
    if (choice) this.decide("pin", { recording: row.ruling.pinned === choice.recording.id ? null : choice.recording.id });
  }

  forbid() {
    const { row, choice } = this.stage;
    if (!choice) return;
    const isForbidden = row.ruling.forbidden.includes(choice.recording.id);
    this.decide(isForbidden ? "allow" : "forbid", { recording: choice.recording.id });
  }

  async devices() {
    const { row, choice } = this.stage;
    if (!row) return;
    const files = [{ title: "Camera of", file: row }];
    if (choice) files.push({ title: "Recorder of", file: choice.recording });
    for (const [file, device] of await askDevices(files)) {
      await this.decide("device", { device }, { subject: file });
      await this.refresh();
      if (file !== row) Object.assign(file, { device, revision: this.state.revision });
    }
  }

  again(name) {
    this.#deciding = this.#deciding.then(() => this.#again(name)).catch((error) => this.fault(error));
  }

  async #again(name) {
    const step = this.state[name];
    if (!step) return;
    try {
      const answer = await api[name](this.state.revision);
      this.setState(answer);
      toast(`${name === "undo" ? "Undone" : "Done again"}: ${stepText(step)}.`);
      if (answer.row) this.queue.choose(answer.row);
    } catch (error) {
      this.fault(error);
      await this.refresh();
    }
    await this.queue.reload();
  }

  async solve() {
    try {
      this.setSolve(await api.solve());
    } catch (error) {
      this.fault(error);
    }
  }

  async other() {
    const { row } = this.stage;
    if (!row) return;
    const recording = await chooseRecording();
    if (recording && row.id === this.stage.row?.id) await this.stage.addChoice(recording);
  }

  // ---- keys

  run(key) {
    const { stage, queue } = this;
    const { player } = stage;
    if (key in NUDGES) return stage.nudge(NUDGES[key]);
    if (/^[1-9]$/.test(key)) return stage.chooseNumber(Number(key));
    const actions = {
      " ": () => player.toggle(),
      k: () => player.toggle(),
      l: () => player.forward(),
      j: () => player.backward(),
      ArrowLeft: () => player.step(-1),
      ArrowRight: () => player.step(1),
      "Shift+ArrowLeft": () => player.seek(player.video.currentTime - 1),
      "Shift+ArrowRight": () => player.seek(player.video.currentTime + 1),
      Home: () => player.seek(0),
      m: () => stage.screen.toggleMute(),
      f: () => stage.screen.show("faces"),
      h: () => stage.screen.show("heat"),
      Enter: () => this.accept(),
      x: () => this.decide("none", {}, { advance: true }),
      o: () => this.decide("reopen"),
      u: () => this.again("undo"),
      U: () => this.again("redo"),
      c: () => this.other(),
      0: () => stage.listenToOwn(),
      p: () => this.pin(),
      b: () => this.forbid(),
      d: () => this.devices(),
      n: () => byId("note").focus(),
      ",": () => stage.nudge(-stage.frameSeconds),
      ".": () => stage.nudge(stage.frameSeconds),
      r: () => stage.resetOffset(),
      "+": () => stage.timing.detail.zoom(0.5),
      "=": () => stage.timing.detail.zoom(0.5),
      "-": () => stage.timing.detail.zoom(2),
      ArrowDown: () => queue.move(1),
      ArrowUp: () => queue.move(-1),
      "/": () => { this.showQueue(); byId("search").focus(); },
      q: () => this.showQueue(),
      s: () => this.solve(),
      g: () => this.find(),
      e: () => this.result && openExport(this.result, this.state.counts),
      "?": () => openHelp(),
    };
    return actions[key]?.();
  }
}

const review = new Review();
review.start().catch((error) => review.fault(error));
