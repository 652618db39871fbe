/** What the page says in place of results: why there are none, and what to do. */

import { button, copy, h, icon } from "./dom.js";

/** A message in the middle of the page. */
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

function commandLine(command) {
  const press = h("button", { type: "button", class: "ghost small", "aria-label": "Copy the command", on: { click: () => copy(command, press) } }, icon("copy"));
  return h("div", { class: "command" }, h("code", {}, command), press);
}

export const noIndex = (retry) =>
  message({
    picture: "map",
    heading: "There is no index yet",
    text: "Declare one in a pipeline's YAML under indexes, then run the pipeline and start the server again.",
    command: "embeddings-orch run",
    acts: [button(null, "Look again", retry)],
  });

export const notPublished = (index, retry, look) =>
  message({
    picture: "map",
    heading: `“${index.index}” is not published yet`,
    text: index.error ?? "Run its pipeline: it embeds the media, builds the index, checks it and publishes it.",
    command: `embeddings-orch run --pipeline ${index.pipeline}`,
    acts: [button(null, "Look again", retry, { class: "button primary" }), look && button(null, "Look at the generation that is not published", look)],
  });

export const noHits = ({ filtered, asked, clearFilters, clearAll }) =>
  message({
    heading: "Nothing found",
    text: filtered
      ? "No item fulfils the filters. Take some away to see more."
      : asked ? "No item has these words. Other words, or searching by meaning, may find some." : "This generation has no items that can be shown.",
    acts: [
      filtered && button("close", "Remove the filters", clearFilters, { class: "button primary" }),
      asked && button(null, "Clear the search", clearAll),
    ].filter(Boolean),
  });

/** What went wrong; `failed` is an ApiError. */
export function failure(failed, retry, acts = []) {
  const heading = failed.status === 0 ? "The server does not answer" : failed.status === 401 ? "An API key is needed" : "That did not work";
  const text = failed.status === 0 ? "It may have been stopped. Start it again with the command below; what you asked stays here." : failed.message;
  const again = failed.retryAfter ? `Try again (in ${failed.retryAfter} s)` : "Try again";
  return message({
    picture: "close",
    heading,
    text,
    command: failed.status === 0 ? "embeddings-orch serve" : undefined,
    acts: [button(null, again, retry, { class: "button primary" }), ...acts],
  });
}

/** A line above the results. */
export const notice = (text, act, bad = false) => h("div", { class: `notice ${bad ? "bad" : ""}`, role: bad ? "alert" : "note" }, h("span", {}, text), act);
