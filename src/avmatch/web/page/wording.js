// Numbers in words, the same as in report.html. Positive offset = the sound comes late.

export const NOTHING = "—";
const MINUS = "−";
const LONG_SECONDS = 10;

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// Never rounded to certainty.
export function percent(confidence) {
  if (!isNumber(confidence)) return NOTHING;
  if (confidence >= 0.995) return "> 99 %";
  return confidence < 0.005 ? "< 1 %" : `${Math.round(100 * confidence)} %`;
}

// "+128 ms", "−40.5 ms"; places inside long recordings in minutes, to the millisecond.
export function offsetText(seconds, decimals = 0) {
  if (!isNumber(seconds)) return NOTHING;
  const sign = seconds < 0 ? MINUS : "+";
  if (Math.abs(seconds) >= LONG_SECONDS) return `${sign}${clockTime(Math.abs(seconds), 0.001)}`;
  const amount = (1000 * Math.abs(seconds)).toFixed(decimals);
  return `${Number(amount) === 0 ? "" : sign}${amount} ms`;
}

export function lateness(seconds) {
  if (!isNumber(seconds)) return NOTHING;
  const size = Math.abs(seconds);
  const amount = size >= LONG_SECONDS ? clockTime(size, 0.001) : `${Math.round(1000 * size)} ms`;
  if (amount === "0 ms") return amount;
  return `${amount} ${seconds > 0 ? "late" : "early"}`;
}

// "1:02:03.45"; `step` says how fine the last digits are.
export function clockTime(seconds, step = 0.01) {
  const decimals = Math.max(0, Math.min(3, Math.ceil(-Math.log10(step) - 1e-9)));
  const scale = 10 ** decimals;
  const units = Math.round(Math.abs(seconds) * scale);
  const whole = Math.floor(units / scale);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = decimals ? `.${String(units % scale).padStart(decimals, "0")}` : "";
  const tail = `${String(whole % 60).padStart(2, "0")}${rest}`;
  const head = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : `${minutes}`;
  return `${seconds < 0 ? MINUS : ""}${head}:${tail}`;
}

export const scoreText = (score) => (isNumber(score) ? `${score < 0 ? MINUS : "+"}${Math.abs(score).toFixed(1)}` : NOTHING);

export const counted = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

const DONE = {
  accept: "accepted",
  none: "has no match",
  pin: "pinned",
  forbid: "pair forbidden",
  allow: "pair allowed again",
  reopen: "reopened",
  note: "note kept",
  device: "device kept",
};

export const doneText = (kind) => DONE[kind] ?? kind;

const STEPS = {
  accept: "accepting",
  none: "“no match” for",
  pin: "pinning",
  forbid: "forbidding a pair of",
  allow: "allowing a pair of",
  reopen: "reopening",
  note: "the note on",
  device: "the device of",
};

// "accepting C0012.MP4": what undo and redo are about.
export const stepText = ({ kind, name }) => `${STEPS[kind] ?? kind} ${name ?? "a file that is gone"}`;

// What a further recording of a clip is.
export const furtherText = (role) => (role === "continues" ? "split file" : "also fits");

// What a row says of its ruling in one word or two; "" where nothing was decided.
export function rulingText(row) {
  const { verdict, own_offset: own } = row.ruling;
  if (verdict === "accepted") return own ? "accepted, own offset" : "accepted";
  return verdict === "none" ? "no match" : "";
}
