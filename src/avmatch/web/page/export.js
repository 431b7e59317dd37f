// Export: a timeline is written into the result's folder, or one inside it; and the command that renames recordings.

import { api } from "./api.js";
import { open } from "./dialogs.js";
import { element, toast } from "./dom.js";
import { counted } from "./wording.js";

// What `avmatch export --to` takes, and who opens it.
export const FORMATS = {
  fcpxml: "Final Cut Pro, Resolve (FCPXML)",
  xmeml: "Premiere Pro, Resolve (XMEML)",
  otio: "Resolve, Kdenlive, Raven (OpenTimelineIO)",
  edl: "Avid and every other (EDL)",
  ale: "Avid, the clips alone (ALE)",
  mlt: "Shotcut, Kdenlive (MLT)",
  csv: "a table (CSV)",
  parquet: "a table (Parquet)",
  jsonl: "a table (JSON lines)",
};

let onProgress = () => {};

// {stage, done, total} of what is being written.
export const exportProgress = (progress) => onProgress(progress);

function copyButton(text) {
  const copy = () => navigator.clipboard.writeText(text).then(
    () => toast("copied"),
    () => toast("the browser doesn't copy; select the line instead", { isFault: true }),
  );
  return element("button", { type: "button", onclick: copy }, "Copy");
}

const line = (title, text, link = null) => element("div", { class: "command" },
  element("h3", {}, link ?? title), element("code", { tabindex: 0 }, text), copyButton(text));

const linesOf = (title, lines) => (lines.length === 0 ? null : element("section", {}, element("h3", {}, title),
  element("ul", { class: "lines" }, ...lines.map((text) => element("li", {}, text)))));

// What was written: links to the files, where they lie, and what a person should know.
function written(answer) {
  const { files, num_clips: numClips, num_sounds: numSounds, notes, failures } = answer;
  return [
    element("p", {}, `${counted(files.length, "file", "files")} written: ${counted(numClips, "clip", "clips")} on the timeline, ${numSounds.toLocaleString("en")} with sound.`),
    ...files.map((file) => line(file.name, file.path, element("a", { href: file.url, download: file.name }, `Download ${file.name}`))),
    linesOf("To know", notes),
    linesOf("Not usable", failures),
  ].filter(Boolean);
}

function choice(value, text, isChosen, isDisabled = false) {
  return element("label", {}, element("input", { type: "radio", name: "only", value, checked: isChosen, disabled: isDisabled }), ` ${text}`);
}

export function openExport({ folder, name }, { accepted, all }) {
  const formats = element("select", { autofocus: true },
    ...Object.entries(FORMATS).map(([value, text]) => element("option", { value }, text)));
  const place = element("input", { type: "text", maxlength: 200, placeholder: "none: right beside the result", autocomplete: "off", spellcheck: "false" });
  const button = element("button", { type: "submit", class: "primary" }, "Export");
  const said = element("p", { role: "status" });
  const found = element("div", { class: "written" });
  const form = element("form", { class: "export", method: "dialog" },
    element("label", { class: "field" }, "Format", formats),
    element("fieldset", {}, element("legend", {}, "Which clips"),
      choice("accepted", `accepted ones only (${accepted.toLocaleString("en")})`, accepted > 0, accepted === 0),
      choice("all", `all (${all.toLocaleString("en")}), the doubtful marked`, accepted === 0)),
    element("label", { class: "field" }, "Folder inside ", element("bdi", {}, name), place),
    element("div", { class: "choices" }, button));
  const quoted = `'${folder.replaceAll("'", "'\\''")}'`;
  const dialog = open("Export", form, said, found,
    line("Recordings named like their clips, in a terminal", `avmatch rename ${quoted} --copy --only accepted -o renamed`));
  form.addEventListener("submit", async (event) => {
    event.preventDefault(); // stays open
    button.disabled = true;
    say("Writing …");
    onProgress = ({ stage, done, total }) => say(`Writing … ${stage} ${done} of ${total}`);
    try {
      const answer = await api.export({ to: formats.value, only: form.elements.only.value, folder: place.value.trim() });
      found.replaceChildren(...written(answer));
      say("");
      if (!dialog.open) toast(`${answer.files.map((file) => file.path).join(", ")} is written.`);
    } catch (error) {
      found.replaceChildren();
      say(error.message, true);
      if (!dialog.open) toast(error.message, { isFault: true });
    }
    onProgress = () => {};
    button.disabled = false;
  });

  function say(text, isFault = false) {
    said.textContent = text;
    said.className = isFault ? "fault" : "";
  }
}
