/** The server's routes. Nothing else of the page makes requests, but for pictures. */

/** An answer that is an error, or none (`status` 0). */
export class ApiError extends Error {
  constructor(message, { status = 0, type = null, param = null, retryAfter = null } = {}) {
    super(message);
    Object.assign(this, { name: "ApiError", status, type, param, retryAfter });
  }
}

let askForKey = async () => false;

/** What asks for the API key: an async function that is true when a session was begun. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

const path = (index) => index.split("/").map(encodeURIComponent).join("/");
const inPath = (id) => id.split("/").map(encodeURIComponent).join("/");

function query(params) {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

async function answer(url, options = {}, again = true) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is it still running?");
  }
  if (response.status === 401 && again && (await askForKey())) return answer(url, options, false);
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const said = body?.error ?? {};
  const message = said.message ?? `The server answered ${response.status} ${response.statusText}`;
  throw new ApiError(message, {
    status: response.status,
    type: said.type,
    param: said.param,
    retryAfter: Number(response.headers.get("retry-after")) || null,
  });
}

const json = async (url, options) => (await answer(url, options)).json();

const post = (body, signal) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

export const indexes = (signal) => json("/v1/indexes", { signal });

export const search = (body, signal) => json("/v1/search", post(body, signal));

export const facets = (index, generation, signal) =>
  json(`/v1/indexes/${path(index)}/facets${query({ generation })}`, { signal });

export const item = (index, generation, id, signal) =>
  json(`/v1/indexes/${path(index)}/items/${inPath(id)}${query({ generation })}`, { signal });

export const map = (index, generation, column, signal) =>
  json(`/v1/indexes/${path(index)}/map${query({ column, generation })}`, { signal });

/** The address of an item's picture, at most `size` pixels wide and high. */
export const thumbnail = (index, generation, id, size) =>
  `/v1/indexes/${path(index)}/thumbnails/${inPath(id)}${query({ size, generation })}`;

/** Begins a session with a key; false where it is the wrong one. */
export async function session(key) {
  const response = await fetch("/v1/session", post({ key })).catch(() => null);
  if (response === null) throw new ApiError("The server does not answer.");
  if (response.ok) return true;
  if (response.status === 401 || response.status === 403) return false;
  const body = await response.json().catch(() => null);
  throw new ApiError(body?.error?.message ?? `The server answered ${response.status}`, { status: response.status });
}

/** The value of a column of every item: {values, ids, codes}, codes being places in `values` or -1. */
export const values = (index, generation, column, signal) =>
  json(`/v1/indexes/${path(index)}/values${query({ column, generation })}`, { signal });
