// Every key does what its button does; the help is made of the same list.

import { element } from "./dom.js";

const OFF = "avmatch.keys-off";

// [keys as the event names them, how they are written, what they do]
export const KEYS = {
  Playing: [
    [[" ", "k"], "space, K", "play or pause"],
    [["l"], "L", "play; again: twice as fast, four times"],
    [["j"], "J", "play backwards; again: faster"],
    [["ArrowLeft"], "←", "one frame back"],
    [["ArrowRight"], "→", "one frame on"],
    [["Shift+ArrowLeft"], "⇧ ←", "one second back"],
    [["Shift+ArrowRight"], "⇧ →", "one second on"],
    [["Home"], "Home", "to the start of the clip"],
    [["m"], "M", "mute"],
    [["f"], "F", "face boxes"],
    [["h"], "H", "where the sound comes from"],
  ],
  Deciding: [
    [["Enter"], "⏎", "accept this recording at this offset"],
    [["x"], "X", "no match"],
    [["o"], "O", "reopen: take the decision back"],
    [["u"], "U", "undo"],
    [["U"], "⇧ U", "redo"],
    [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "1 – 9", "choose a recording"],
    [["c"], "C", "choose another recording"],
    [["0"], "0", "listen to the camera's own sound"],
    [["p"], "P", "pin the pair: solving again must make it"],
    [["b"], "B", "forbid the pair: solving again must not make it"],
    [["d"], "D", "same camera, same recorder"],
    [["n"], "N", "write a note"],
  ],
  Offset: [
    [[","], ",", "one frame earlier"],
    [["."], ".", "one frame later"],
    [["["], "[", "10 ms earlier"],
    [["]"], "]", "10 ms later"],
    [["{"], "⇧ [", "1 ms earlier"],
    [["}"], "⇧ ]", "1 ms later"],
    [["r"], "R", "back to the measured offset"],
    [["+", "="], "+", "show less time around the playhead"],
    [["-"], "−", "show more time around the playhead"],
  ],
  Queue: [
    [["ArrowDown"], "↓", "next clip"],
    [["ArrowUp"], "↑", "previous clip"],
    [["/"], "/", "search"],
    [["q"], "Q", "to the queue"],
    [["s"], "S", "solve again"],
    [["g"], "G", "search an index for sounds (with --in INDEX)"],
    [["e"], "E", "export"],
    [["?"], "?", "this help"],
  ],
};

const KNOWN = new Set(Object.values(KEYS).flat().flatMap(([keys]) => keys));

export const isTyping = (target) => target.matches?.("input[type=search], input[type=text], textarea, select") ?? false;

// Keys that the focused element needs for itself.
function isNative(target, key) {
  if (!target.matches) return false;
  if (target.matches("button, summary, a") && (key === "Enter" || key === " ")) return true;
  if (target.matches("input[type=radio]")) return ["ArrowUp", "ArrowDown"].includes(key) || (key === " " && !target.checked);
  return target.matches("input[type=range]") && ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home"].includes(key);
}

function nameOf(event) {
  const isArrow = event.key.startsWith("Arrow");
  if (event.shiftKey && isArrow) return `Shift+${event.key}`;
  if (!/^[a-z]$/i.test(event.key)) return event.key;
  return event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase(); // caps lock changes nothing
}

// A dialog that has just closed keeps the focus until the browser draws again; keys pressed until then are the page's.
function focusOf(event) {
  if (!event.target.closest?.("dialog")) return event.target;
  event.target.blur();
  return document.body;
}

export const keysAreOff = () => localStorage.getItem(OFF) === "yes";

// run(key): what a key does. Keys with Ctrl, Alt or Meta belong to the browser.
export function listenToKeys(run) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return undefined;
    if (document.querySelector("dialog[open]")) return undefined;
    const target = focusOf(event);
    // Out of a field: browsers clear a search with Escape, so Enter leaves it as well.
    const isLeaving = event.key === "Escape" || (event.key === "Enter" && target.type === "search");
    if (isLeaving && isTyping(target)) {
      if (event.key === "Enter") event.preventDefault();
      target.blur();
      return run("q");
    }
    if (isTyping(target)) return undefined;
    const key = nameOf(event);
    if (!KNOWN.has(key) || isNative(target, key) || (keysAreOff() && key.length === 1 && key !== "?")) return undefined;
    if (event.repeat && ["Enter", "x", "u", "U", "s"].includes(key)) return undefined; // a decision is one press
    event.preventDefault();
    return run(key);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-key]");
    if (!button || button.disabled) return;
    // A click of the mouse leaves the keyboard where it was: Enter then accepts, and doesn't press the button again.
    if (event.detail > 0) button.blur();
    run(button.dataset.key);
  });
}

export function helpContent() {
  const groups = Object.entries(KEYS).map(([title, keys]) => element("section", {},
    element("h3", {}, title),
    element("dl", {}, ...keys.map(([, written, meaning]) => element("div", {}, element("dt", {}, element("kbd", {}, written)), element("dd", {}, meaning)))),
  ));
  const box = element("input", { type: "checkbox", id: "keys-off", checked: keysAreOff() });
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "yes" : "no"));
  return [
    element("p", {}, "Positive offsets mean that the sound comes late. What you decide is kept at once. ",
      "Drag the waveforms or the evidence to move the sound; a click on a dashed line takes that offset."),
    element("div", { class: "keys" }, ...groups),
    element("label", {}, box, " no single-key shortcuts (for speech input)"),
  ];
}
