// Questions: help, another recording, same device, a recording that is taken.

import { api } from "./api.js";
import { byId, element, nameOf, pathOf } from "./dom.js";
import { helpContent } from "./keyboard.js";
import { counted } from "./wording.js";

const TYPING_MILLISECONDS = 150;
let opened = 0;

// Each opening is an element of its own: the close event comes late, and must not end what was asked next.
export function open(title, ...content) {
  const close = element("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
  const id = `dialog-title-${(opened += 1)}`;
  const dialog = element("dialog", { "aria-labelledby": id },
    element("div", { class: "bar" }, element("h2", { id }, title), close), ...content);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export const openHelp = () => open("Keys and help", ...helpContent());

// Returns the chosen recording, or null.
export function chooseRecording() {
  return new Promise((resolve) => {
    let chosen = null;
    const field = element("input", { type: "search", "aria-label": "Part of a recording's name", placeholder: "part of a name", autofocus: true });
    const list = element("ul", { class: "found" });
    const number = element("p", { role: "status" });
    const fill = async () => {
      try {
        const { rows, total } = await api.recordings(field.value.trim(), 0);
        number.textContent = total > rows.length ? `the first ${rows.length} of ${total.toLocaleString("en")}` : counted(total, "recording", "recordings");
        list.replaceChildren(...rows.map((file) => drawFile(file, () => { chosen = file; dialog.close(); })));
      } catch (error) {
        number.textContent = error.message;
      }
    };
    let typing = 0;
    field.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(fill, TYPING_MILLISECONDS);
    });
    const dialog = open("Another recording", field, number, list);
    dialog.addEventListener("close", () => resolve(chosen));
    fill();
  });
}

function drawFile(file, onclick) {
  const holders = file.clips.map((clip) => clip.name).join(", ");
  const others = file.further_of.map((clip) => clip.name).join(", ");
  const facts = element("span", { class: "facts" },
    [file.folder, holders && `now with ${holders}`, others && `also fits ${others}`].filter(Boolean).join(" · "));
  return element("li", {}, element("button", { type: "button", title: pathOf(file), onclick }, nameOf(file), facts));
}

// "Same device": labels for the clip and for its recording. Returns [[subject, revision, label], …] of what changed.
export function askDevices(files) {
  return new Promise((resolve) => {
    let kept = [];
    const fields = files.map(({ title, file }) => ({
      file,
      label: element("label", { class: "field" }, `${title} `, element("bdi", {}, file.name),
        element("input", { type: "text", maxlength: 80, value: file.device, placeholder: "for example: camera A" })),
    }));
    const keep = element("button", { type: "submit", class: "primary" }, "Keep");
    const form = element("form", { method: "dialog" }, ...fields.map(({ label }) => label), keep);
    form.addEventListener("submit", () => {
      kept = fields
        .map(({ file, label }) => [file, label.querySelector("input").value.trim()])
        .filter(([file, device]) => device !== file.device);
    });
    const dialog = open("Same camera, same recorder",
      element("p", {}, "Files with the same name here come from one device. Solving again uses it: one recorder has one offset."), form);
    dialog.addEventListener("close", () => resolve(kept));
  });
}

// Whether a recording shall be taken away from the clip that it was accepted with.
export function askTake(recording, holder) {
  return new Promise((resolve) => {
    let takes = false;
    const take = element("button", { type: "button", class: "primary", autofocus: true, onclick: () => { takes = true; dialog.close(); } }, "Take it");
    const leave = element("button", { type: "button", onclick: () => dialog.close() }, "Leave it");
    const dialog = open("This recording is taken",
      element("p", {}, nameOf(recording), " was accepted with ", nameOf(holder), ". Take it, and that clip is open again; one undo brings both back."),
      element("div", { class: "choices" }, take, leave));
    dialog.addEventListener("close", () => resolve(takes));
  });
}
