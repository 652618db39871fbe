/** The card of the point that is pointed at: its picture and what it is called. */

import * as api from "./api.js";
import { h } from "./dom.js";
import { title } from "./format.js";

const [WIDE, HIGH, APART] = [168, 172, 32]; // CSS pixels
const PAUSE = 90; // ms on a point before its item is asked for

export class Card {
  #id = null;

  /** @param {Object} view the map */
  constructor(view) {
    this.view = view;
    this.element = h("div", { class: "hover-card", hidden: true });
  }

  /** Shows or hides it, beside a place of the screen. */
  place(shown, left, top, [width, height] = [0, 0]) {
    this.element.hidden = !shown;
    if (!shown) return;
    const right = left + APART + WIDE <= width;
    const x = Math.max(8, right ? left + APART : left - APART - WIDE);
    const y = Math.min(Math.max(8, top - HIGH / 2), height - HIGH - 8);
    this.element.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** Fills it with an item. */
  async fill(id) {
    this.#id = id;
    const { what, map, acts, pictured } = this.view;
    const name = h("p", {}, title(acts.known.get(id) ?? { id }));
    this.element.replaceChildren(name);
    if (pictured) {
      const image = h("img", { alt: "", src: api.thumbnail(what.index, map.generation, id, 192) });
      const picture = h("div", { class: "hover-picture" }, image);
      image.addEventListener("error", () => picture.remove());
      this.element.prepend(picture);
    }
    if (acts.known.has(id)) return;
    await new Promise((done) => setTimeout(done, PAUSE));
    if (this.#id !== id) return;
    const hit = await api.item(what.index, map.generation, id).catch(() => null);
    if (!hit) return;
    acts.known.set(id, hit);
    name.textContent = title(hit);
  }
}
