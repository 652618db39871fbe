/** The server's routes. Nothing else of the page makes requests, but for pictures. */

/** @import {Facet, Hit, Index, LeftOutAnswer, MapAnswer, SearchAnswer, SearchBody, ValuesAnswer} from "./shapes.js" */

/** An answer that is an error, or none (`status` 0). */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, retryAfter?: number | null}} [how] `retryAfter` in seconds
   */
  constructor(message, { status = 0, retryAfter = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Whether a request was given up by the page itself.
 * @param {unknown} error
 */
export const aborted = (error) => error instanceof Error && error.name === "AbortError";

/**
 * What was thrown, as an error with a message.
 * @param {unknown} thrown
 */
export const asError = (thrown) => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** @type {() => Promise<boolean>} */
let askForKey = async () => false;

/**
 * What asks for the API key: an async function that is true when a session was begun.
 * @param {() => Promise<boolean>} ask
 */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/**
 * A name with slashes as part of an address.
 * @param {string} name
 */
const inPath = (name) => name.split("/").map(encodeURIComponent).join("/");

/** @param {{[name: string]: string | number | null}} params those that are null are left out */
function query(params) {
  const given = Object.entries(params).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 * @param {boolean} [again] whether to ask for a key where one is needed
 * @returns {Promise<Response>}
 */
async function answer(url, options = {}, again = true) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (aborted(error)) throw error;
    throw new ApiError("The server does not answer. Is it still running?");
  }
  if (response.status === 401 && again && (await askForKey())) return answer(url, options, false);
  if (response.ok) return response;
  throw await refused(response);
}

/** @param {Response} response */
async function refused(response) {
  const body = await response.json().catch(() => null);
  const message = body?.error?.message ?? `The server answered ${response.status} ${response.statusText}`;
  return new ApiError(message, { status: response.status, retryAfter: Number(response.headers.get("retry-after")) || null });
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 */
const json = async (url, options) => (await answer(url, options)).json();

/**
 * @param {object} body
 * @param {AbortSignal} [signal]
 * @returns {RequestInit}
 */
const post = (body, signal) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<{indexes: Index[]}>}
 */
export const indexes = (signal) => json("/v1/indexes", { signal });

/**
 * @param {SearchBody} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<SearchAnswer>}
 */
export const search = (body, signal) => json("/v1/search", post(body, signal));

/**
 * @param {string} index "pipeline/index"
 * @param {string | null} generation null: the published one
 * @param {AbortSignal} [signal]
 * @returns {Promise<{columns: Facet[]}>}
 */
export const facets = (index, generation, signal) => json(`/v1/indexes/${inPath(index)}/facets${query({ generation })}`, { signal });

/**
 * An item, by its id as a parameter: of a path a browser would take dots for folders.
 * What a search cannot find, and why.
 * @param {string} index
 * @param {AbortSignal} [signal]
 * @returns {Promise<LeftOutAnswer>}
 */
export const leftOut = (index, signal) => json(`/v1/indexes/${inPath(index)}/left-out`, { signal });

/**
 * @param {string} index
 * @param {string | null} generation
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<Hit>}
 */
export const item = (index, generation, id, signal) => json(`/v1/indexes/${inPath(index)}/items${query({ id, generation })}`, { signal });

/**
 * @param {string} index
 * @param {string | null} generation
 * @param {string} column
 * @param {AbortSignal} [signal]
 * @returns {Promise<MapAnswer>}
 */
export const map = (index, generation, column, signal) => json(`/v1/indexes/${inPath(index)}/map${query({ column, generation })}`, { signal });

/**
 * The value of a column of every item.
 * @param {string} index
 * @param {string | null} generation
 * @param {string} column
 * @param {AbortSignal} [signal]
 * @returns {Promise<ValuesAnswer>}
 */
export const values = (index, generation, column, signal) => json(`/v1/indexes/${inPath(index)}/values${query({ column, generation })}`, { signal });

/**
 * The address of an item's picture, at most `size` pixels wide and high.
 * @param {string} index
 * @param {string | null} generation
 * @param {string} id
 * @param {number} size
 */
export const thumbnail = (index, generation, id, size) => `/v1/indexes/${inPath(index)}/thumbnails${query({ id, size, generation })}`;

/**
 * Begins a session with a key; false where it is the wrong one.
 * @param {string} key
 */
export async function session(key) {
  const response = await fetch("/v1/session", post({ key })).catch(() => null);
  if (response === null) throw new ApiError("The server does not answer.");
  if (response.ok) return true;
  if (response.status === 401 || response.status === 403) return false;
  throw await refused(response);
}
