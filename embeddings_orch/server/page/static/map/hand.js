/** Pointer, wheel, pinch and keys on the map. */

/** @import {Drawing} from "./drawing.js" */

const STEP = 90; // CSS pixels that an arrow key moves
const CLICK = 6; // pixels that a press may move and still be one

/** @typedef {[left: number, top: number]} Place */

export class Hand {
  /**
   * Pointers that press: where they are.
   * @type {Map<number, Place>}
   */
  #down = new Map();
  #moved = 0;
  #keyboard = false;

  /** @param {Drawing} view */
  constructor(view) {
    this.view = view;
    this.canvas = view.overlay.canvas;
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", (event) => this.#release(event));
    this.canvas.addEventListener("pointercancel", (event) => this.#release(event));
    this.canvas.addEventListener("pointerleave", () => {
      if (!this.#down.size) view.look(-1);
    });
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.canvas.addEventListener("dblclick", (event) => this.#zoom(2, event));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("focus", () => this.#cross(this.canvas.matches(":focus-visible")));
    this.canvas.addEventListener("blur", () => this.#cross(false));
  }

  /**
   * @param {MouseEvent} event
   * @returns {Place}
   */
  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.#down.set(event.pointerId, this.#place(event));
    this.#moved = this.#down.size > 1 ? Infinity : 0;
    this.#cross(false);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const place = this.#place(event);
    const before = this.#down.get(event.pointerId);
    if (before) this.#drag(event.pointerId, before, place);
    else if (event.pointerType !== "touch") {
      const point = this.view.pointAt(...place);
      this.canvas.classList.toggle("pointing", point >= 0);
      this.view.look(point, place);
    }
  }

  /**
   * @param {number} pointer
   * @param {Place} before
   * @param {Place} place
   */
  #drag(pointer, before, place) {
    const [right, down] = [place[0] - before[0], place[1] - before[1]];
    this.#moved += Math.hypot(right, down);
    if (this.#moved <= CLICK) return;
    this.view.look(-1);
    this.canvas.classList.add("moving");
    const { plane } = this.view;
    const [other, third] = [...this.#down].filter(([id]) => id !== pointer).map(([, at]) => at);
    if (other && !third) {
      const apart = (/** @type {Place} */ one) => Math.max(20, Math.hypot(one[0] - other[0], one[1] - other[1]));
      plane.pan(right / 2, down / 2);
      plane.zoom(apart(place) / apart(before), (place[0] + other[0]) / 2, (place[1] + other[1]) / 2);
    } else plane.pan(right, down);
    this.#down.set(pointer, place);
    this.view.dirty();
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const place = this.#down.get(event.pointerId);
    this.#down.delete(event.pointerId);
    this.canvas.classList.remove("moving");
    if (!place || event.type !== "pointerup" || this.#moved > CLICK) return;
    this.view.open(this.view.pointAt(...place, event.pointerType === "touch" ? 26 : 16));
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.#zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.012 : 0.0018)), event);
  }

  /**
   * @param {number} factor
   * @param {MouseEvent} event
   */
  #zoom(factor, event) {
    this.view.plane.zoom(factor, ...this.#place(event));
    this.view.dirty();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { view } = this;
    const { plane } = view;
    /** @type {{[key: string]: () => void}} */
    const acts = {
      ArrowLeft: () => plane.pan(STEP, 0),
      ArrowRight: () => plane.pan(-STEP, 0),
      ArrowUp: () => plane.pan(0, STEP),
      ArrowDown: () => plane.pan(0, -STEP),
      "+": () => plane.zoom(1.5),
      "=": () => plane.zoom(1.5),
      "-": () => plane.zoom(1 / 1.5),
      0: () => plane.fit(),
      Enter: () => view.open(view.hover),
      " ": () => view.open(view.hover),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
    this.#cross(true);
    view.dirty();
  }

  /**
   * Shows the keyboard's place, which is the middle.
   * @param {boolean} shown
   */
  #cross(shown) {
    const was = this.#keyboard;
    this.#keyboard = shown;
    this.view.overlay.cross = shown;
    if (shown) {
      const [width, height] = this.view.size;
      this.view.look(this.view.pointAt(width / 2, height / 2, 70), [width / 2, height / 2]);
    } else if (was) this.view.look(-1);
    this.view.dirty();
  }
}
