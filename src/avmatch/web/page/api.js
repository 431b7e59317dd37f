// The server's routes (docs/review.md). The cookie of the first visit is the key; nothing here knows the token.

export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `the server answers ${status}`);
    this.status = status;
    this.code = body?.error?.code ?? "";
    this.share = body?.error?.share ?? null;
    const current = body?.error?.current ?? body?.current ?? null;
    this.current = current?.row ?? current?.file ?? current;
    this.holder = body?.error?.holder ?? body?.holder ?? null;
  }
}

const RETRIES = 600;

// What isn't ready yet is asked for again.
async function responseOf(path, options = {}, attempt = 0) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is `avmatch review` still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const isBusy = response.status === 503 || response.status === 429;
  if (!isBusy || options.method === "POST" || attempt >= RETRIES) throw new ApiError(response.status, body);
  options.onWait?.(body?.error?.share ?? null);
  const seconds = Number(response.headers.get("Retry-After")) || 1;
  await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, 5)));
  options.signal?.throwIfAborted();
  return responseOf(path, options, attempt + 1);
}

const answerOf = async (path, options) => (await responseOf(path, options)).json().catch(() => null);

export const bytesOf = async (path) => (await responseOf(path)).arrayBuffer();

const query = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined)).toString();

// `options`: {signal, onWait(share)}.
const get = (path, values = {}, options = {}) => {
  const asked = query(values);
  return answerOf(asked ? `${path}?${asked}` : path, options);
};

const post = (path, body) =>
  answerOf(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const api = {
  result: () => get("/api/result"),
  queue: (values) => get("/api/queue", values),
  clip: (id, options) => get(`/api/clips/${id}`, {}, options),
  recordings: (search, offset) => get("/api/recordings", { search, offset, limit: 100 }),
  recording: (id, options) => get(`/api/recordings/${id}`, {}, options),
  peaks: (id, values, options) => get(`/api/recordings/${id}/peaks`, values, options),
  evidence: (id, recording, options) => get(`/api/clips/${id}/evidence`, { recording }, options),
  overlay: (id, recording, offset, options) =>
    get(`/api/clips/${id}/overlay`, { recording, offset_seconds: offset }, options),
  picture: (id, options) => get(`/api/pictures/${id}`, {}, options),
  decide: (decision) => post("/api/decisions", decision),
  undo: (revision) => post("/api/undo", { revision }),
  redo: (revision) => post("/api/redo", { revision }),
  solve: () => post("/api/solve", {}),
  export: (wanted) => post("/api/export", wanted),
  index: () => get("/api/index"),
  search: (values, options) => get("/api/search", values, options),
  sendClip: (file, options) =>
    answerOf(`/api/search/clips?${query({ name: file.name })}`, { ...options, method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file }),
};

export const thumbnailUrl = (id) => `/media/thumbnails/${id}`;

export const soundUrl = (id, beginSeconds, seconds) => `/media/sounds/${id}?${query({ begin_seconds: beginSeconds, seconds })}`;

// handlers: {state, solve, export}, each with the parsed data.
export function listen(handlers) {
  const source = new EventSource("/api/events");
  for (const [name, handler] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
  }
  return source;
}
