/** Asks for the API key, once for all requests that wait for it. */

import * as api from "./api.js";
import { button, h } from "./dom.js";

/** @type {Promise<boolean> | null} */
let asking = null;

/** Gives true when a session was begun, false when the person gave up. */
export function askForKey() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

/** @returns {Promise<boolean>} */
function ask() {
  return new Promise((done) => {
    const said = h("p", { class: "said", role: "alert" });
    const key = h("input", { class: "field", type: "password", id: "api-key", autocomplete: "current-password", required: true });
    const submit = h("button", { class: "button primary" }, "Open");
    const form = h(
      "form",
      { on: { submit: send } },
      h("p", { class: "quiet" }, "This server answers with its API key only. The key is kept in a cookie that this page cannot read."),
      h("label", { for: "api-key" }, "API key"),
      key,
      said,
      h("div", { class: "acts" }, button(null, "Not now", () => void dialog.close()), submit),
    );
    const dialog = h("dialog", { "aria-labelledby": "key-title" }, h("h2", { id: "key-title" }, "API key"), form);
    let opened = false;

    /** @param {Event} event */
    async function send(event) {
      event.preventDefault();
      submit.disabled = true;
      try {
        opened = await api.session(key.value);
        if (opened) dialog.close();
        else said.textContent = "This is not the key.";
      } catch (error) {
        said.textContent = api.asError(error).message;
      }
      submit.disabled = false;
      key.select();
    }

    dialog.addEventListener("close", () => {
      dialog.remove();
      done(opened);
    });
    document.body.append(dialog);
    dialog.showModal();
    key.focus();
  });
}
