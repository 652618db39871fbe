/** Keys that work everywhere on the page, and the dialog that shows them. */

import { button, h, targetOf } from "./dom.js";

/** @type {[keys: string, what: string][]} */
const KEYS = [
  ["/", "to the search box"],
  ["← ↑ → ↓", "move among the results, or over the map"],
  ["Enter", "more like this"],
  ["Space", "details of the item"],
  ["Esc", "close, or clear the search"],
  ["f", "filters"],
  ["g", "grid"],
  ["m", "map"],
  ["+ − 0", "zoom the map; all of it"],
  ["t", "dark or light"],
  ["?", "these keys"],
];

/**
 * Calls `acts[key]` unless something is being typed.
 * @param {{[key: string]: () => unknown}} acts
 */
export function listen(acts) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const typing = targetOf(event)?.closest("input:not([type=checkbox], [type=range]), textarea, select");
    if (typing && event.key !== "Escape") return;
    if (!Object.hasOwn(acts, event.key)) return;
    acts[event.key]?.();
    event.preventDefault();
  });
}

/** Shows all keys. */
export function showKeys() {
  const close = button(null, "Close", () => dialog.close(), { class: "button primary" });
  const dialog = h(
    "dialog",
    { "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keyboard"),
    h("dl", { class: "keys" }, KEYS.flatMap(([key, what]) => [h("dt", {}, key.split(" ").map((one) => [h("kbd", {}, one), " "])), h("dd", {}, what)])),
    h("div", { class: "acts" }, close),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}
