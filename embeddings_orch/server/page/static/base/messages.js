/** What the page says in place of results: why there are none, and what to do. */

import { ApiError } from "./api.js";
import { button, copy, h, icon } from "./dom.js";

/** @import {Child} from "./dom.js" */
/** @import {Index} from "./shapes.js" */

/**
 * A message in the middle of the page.
 * @param {{picture?: string, heading: string, text?: string, command?: string, acts?: Child[]}} parts
 */
export function message({ picture = "search", heading, text, command, acts = [] }) {
  return h(
    "div",
    { class: "message" },
    icon(picture),
    h("h2", {}, heading),
    text && h("p", {}, text),
    command && commandLine(command),
    acts.length > 0 && h("div", { class: "acts" }, acts),
  );
}

/** @param {string} command */
function commandLine(command) {
  const press = h("button", { type: "button", class: "ghost small", "aria-label": "Copy the command", on: { click: () => void copy(command, press) } }, icon("copy"));
  return h("div", { class: "command" }, h("code", {}, command), press);
}

/** @param {() => void} retry */
export const noIndex = (retry) =>
  message({
    picture: "map",
    heading: "There is no index yet",
    text: "Declare one in a pipeline's YAML under indexes, then run the pipeline and start the server again.",
    command: "embeddings-orch run",
    acts: [button(null, "Look again", retry)],
  });

/**
 * @param {Index} index
 * @param {() => void} retry
 * @param {(() => void) | null} look shows a generation that is not published, where there is one
 */
export const notPublished = (index, retry, look) =>
  message({
    picture: "map",
    heading: `“${index.index}” is not published yet`,
    text: index.error ?? "Run its pipeline: it embeds the media, builds the index, checks it and publishes it.",
    command: `embeddings-orch run --pipeline ${index.pipeline}`,
    acts: [button(null, "Look again", retry, { class: "button primary" }), look && button(null, "Look at the generation that is not published", look)],
  });

/**
 * @param {string} name
 * @param {() => void} usual shows another index
 */
export const noSuchIndex = (name, usual) => failure(new ApiError(`There is no index “${name}”.`, { status: 404 }), usual);

/**
 * @param {string} id
 * @param {() => void} usual shows what is published
 */
export const noSuchGeneration = (id, usual) => failure(new ApiError(`There is no generation “${id}” of this index any more.`, { status: 404 }), usual);

/** @param {{filtered: boolean, asked: boolean, clearFilters: () => void, clearAll: () => void}} how */
export const noHits = ({ filtered, asked, clearFilters, clearAll }) =>
  message({
    heading: "Nothing found",
    text: filtered
      ? "No item fulfils the filters. Take some away to see more."
      : asked ? "No item has these words. Other words, or searching by meaning, may find some." : "This generation has no items that can be shown.",
    acts: [
      filtered && button("close", "Remove the filters", clearFilters, { class: "button primary" }),
      asked && button(null, "Clear the search", clearAll),
    ].filter((one) => one !== false),
  });

/**
 * What went wrong.
 * @param {Error} failed
 * @param {() => void} retry
 * @param {Child[]} [acts] more buttons
 */
export function failure(failed, retry, acts = []) {
  const { status = null, retryAfter = null } = failed instanceof ApiError ? failed : {};
  const heading = status === 0 ? "The server does not answer" : status === 401 ? "An API key is needed" : "That did not work";
  const text = status === 0 ? "It may have been stopped. Start it again with the command below; what you asked stays here." : failed.message;
  const again = retryAfter ? `Try again (in ${retryAfter} s)` : "Try again";
  return message({
    picture: "close",
    heading,
    text,
    command: status === 0 ? "embeddings-orch serve" : undefined,
    acts: [button(null, again, retry, { class: "button primary" }), ...acts],
  });
}

/**
 * A line above the results.
 * @param {string} text
 * @param {Child} [act] a button
 * @param {boolean} [bad]
 */
export const notice = (text, act, bad = false) => h("div", { class: `notice ${bad ? "bad" : ""}`, role: bad ? "alert" : "note" }, h("span", {}, text), act);
