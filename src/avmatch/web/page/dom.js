// Elements without a framework. Text goes in as text, so that no file name can become markup.

export const byId = (id) => document.getElementById(id);

// element("button", { type: "button", class: "primary", onclick: f, "aria-pressed": true }, "Accept")
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function setPressed(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

// Names may be written right to left, and are isolated from what stands around them.
export const nameOf = (file) => element("bdi", { class: "name", title: pathOf(file) }, visible(file.name));

export const pathOf = (file) => visible(file.folder ? `${file.folder}/${file.name}` : file.name);

// Control characters as symbols, direction controls (they make "gpm.exe" read "exe.mpg") as �.
export function visible(text) {
  return text
    .replace(/[\u0000-\u001f]/g, (character) => String.fromCharCode(0x2400 + character.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu, "\ufffd");
}

let clearing = 0;

// Says something in passing, also to screen readers. `action`: {label, run}.
export function toast(text, { action = null, isFault = false, seconds = 6 } = {}) {
  const button = action && element("button", { type: "button", onclick: () => { clear(); action.run(); } }, action.label);
  const line = element("p", { class: isFault ? "fault" : null }, element("span", {}, text), button);
  const clear = () => byId("toasts").replaceChildren();
  byId("toasts").replaceChildren(line);
  clearTimeout(clearing);
  clearing = setTimeout(clear, 1000 * (isFault ? 2 * seconds : seconds));
}
