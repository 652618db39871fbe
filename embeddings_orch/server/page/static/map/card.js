/** The card of the point that is pointed at: its picture and what it is called. */

import { h } from "../base/dom.js";
import { title } from "../base/format.js";

/** @import {DrawingActs} from "./drawing.js" */

const [WIDE, HIGH, APART] = [168, 172, 32]; // CSS pixels
const PAUSE = 90; // ms on a point before its item is asked for

export class Card {
  /** @type {string | null} */
  #id = null;

  /** @param {{acts: Pick<DrawingActs, "known" | "address" | "item" | "pictured">}} view the map */
  constructor({ acts }) {
    this.acts = acts;
    this.element = h("div", { class: "hover-card", hidden: true });
  }

  /**
   * Shows it beside a place of the screen.
   * @param {[left: number, top: number]} place
   * @param {[width: number, height: number]} size of the screen
   */
  show([left, top], [width, height]) {
    this.element.hidden = false;
    const right = left + APART + WIDE <= width;
    const x = Math.max(8, right ? left + APART : left - APART - WIDE);
    const y = Math.min(Math.max(8, top - HIGH / 2), height - HIGH - 8);
    this.element.style.transform = `translate(${x}px, ${y}px)`;
  }

  hide() {
    this.element.hidden = true;
  }

  /**
   * Fills it with an item.
   * @param {string} id
   */
  async fill(id) {
    this.#id = id;
    const { known, address, item, pictured } = this.acts;
    const name = h("p", {}, title(known.get(id) ?? { id }));
    this.element.replaceChildren(name);
    if (pictured()) {
      const image = h("img", { alt: "", src: address(id, 192) });
      const picture = h("div", { class: "hover-picture" }, image);
      image.addEventListener("error", () => picture.remove());
      this.element.prepend(picture);
    }
    if (known.has(id)) return;
    await new Promise((done) => setTimeout(done, PAUSE));
    if (this.#id !== id) return;
    const hit = await item(id);
    if (!hit) return;
    known.set(id, hit);
    name.textContent = title(hit);
  }
}
