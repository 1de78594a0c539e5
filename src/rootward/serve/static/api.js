// What the server is asked. Addresses are relative to the page, so that it can be served below a path.

const TOKEN = "rootward token";
const MOST_SHOWN = 20;

export class ServerError extends Error {
  constructor(status, message, wait = 0) {
    super(message);
    Object.assign(this, {status, wait});
  }
}

/** Keep the token that the server asks for, until this tab is closed. */
export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

async function ask(path, {signal, body} = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = {accept: "application/json"};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI), {
      signal, headers, method: body ? "POST" : "GET", body: body && JSON.stringify(body), credentials: "same-origin",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => null);
  const wait = Math.min(30, Number(answer.headers.get("retry-after")) || 1);
  throw new ServerError(answer.status, told?.error?.message ?? `The server answered ${answer.status}.`, wait);
}

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), {once: true});
  });

/** As `ask`, and again after the wait that a busy server tells of. */
async function patiently(path, options, tries = 5) {
  for (let i = 1; ; i++) {
    try {
      return await ask(path, options);
    } catch (error) {
      if (!(error.status === 429 || error.status === 503) || i >= tries) throw error;
      await pause(error.wait, options?.signal);
    }
  }
}

const words = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null && value !== undefined));

export const runs = async () => (await patiently("v1/runs")).runs;
export const card = (run, signal) => patiently(`v1/runs/${encodeURIComponent(run)}`, {signal});
export const node = (id, run, signal) => patiently(`v1/nodes/${encodeURIComponent(id)}?${words({run})}`, {signal});
export const complete = async (q, run, signal, limit = 8) =>
  (await ask(`v1/complete?${words({q, limit, run})}`, {signal})).suggestions;

/**
 * The answers of some texts. With a calibrated run, the set that is right; else the best documents, where the server
 * says of each whether it belongs to the answer, if it knows.
 */
export function search(texts, run, {filters = {}, signal} = {}) {
  const asked = {texts, run: run.name, explain: true, k: MOST_SHOWN};
  if (run.calibrated || run.labelled) asked.threshold = "auto";
  if (filters.below) asked.below = filters.below;
  if (filters.levels) asked.levels = filters.levels;
  return patiently("v1/search", {signal, body: asked});
}
