/** Pointer, wheel, pinch and keys on the map. */

const STEP = 90; // CSS pixels that an arrow key moves
const CLICK = 6; // pixels that a press may move and still be one

export class Hand {
  #down = new Map(); // pointers that press: where they are
  #moved = 0;
  #keyboard = false;

  /** @param {Object} view the map */
  constructor(view) {
    this.view = view;
    this.canvas = view.overlay.canvas;
    const on = (name, act, options) => this.canvas.addEventListener(name, act, options);
    on("pointerdown", (event) => this.#press(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#release(event));
    on("pointercancel", (event) => this.#release(event));
    on("pointerleave", () => this.#down.size || view.look(-1));
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("dblclick", (event) => this.#zoom(2, event));
    on("keydown", (event) => this.#key(event));
    on("focus", () => this.#cross(this.canvas.matches(":focus-visible")));
    on("blur", () => this.#cross(false));
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #press(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.#down.set(event.pointerId, this.#place(event));
    this.#moved = this.#down.size > 1 ? Infinity : 0;
    this.#cross(false);
  }

  #move(event) {
    const place = this.#place(event);
    const before = this.#down.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "touch") return;
      const point = this.view.pointAt(...place);
      this.canvas.classList.toggle("pointing", point >= 0);
      this.view.look(point, ...place);
      return;
    }
    const [right, down] = [place[0] - before[0], place[1] - before[1]];
    this.#moved += Math.hypot(right, down);
    if (this.#moved <= CLICK) return;
    this.view.look(-1);
    this.canvas.classList.add("moving");
    if (this.#down.size === 2) {
      const other = [...this.#down].find(([id]) => id !== event.pointerId)[1];
      const apart = (one) => Math.max(20, Math.hypot(one[0] - other[0], one[1] - other[1]));
      this.view.plane.pan(right / 2, down / 2);
      this.view.plane.zoom(apart(place) / apart(before), (place[0] + other[0]) / 2, (place[1] + other[1]) / 2);
    } else this.view.plane.pan(right, down);
    this.#down.set(event.pointerId, place);
    this.view.dirty();
  }

  #release(event) {
    const place = this.#down.get(event.pointerId);
    this.#down.delete(event.pointerId);
    this.canvas.classList.remove("moving");
    if (!place || event.type !== "pointerup" || this.#moved > CLICK) return;
    const point = this.view.pointAt(...place, event.pointerType === "touch" ? 26 : 16);
    if (point >= 0) this.view.acts.open(this.view.map.ids[point]);
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.#zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.012 : 0.0018)), event);
  }

  #zoom(factor, event) {
    this.view.plane.zoom(factor, ...this.#place(event));
    this.view.dirty();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { view } = this;
    const acts = {
      ArrowLeft: () => view.plane.pan(STEP, 0),
      ArrowRight: () => view.plane.pan(-STEP, 0),
      ArrowUp: () => view.plane.pan(0, STEP),
      ArrowDown: () => view.plane.pan(0, -STEP),
      "+": () => view.plane.zoom(1.5),
      "=": () => view.plane.zoom(1.5),
      "-": () => view.plane.zoom(1 / 1.5),
      0: () => view.plane.fit(),
      Enter: () => view.hover >= 0 && view.acts.open(view.map.ids[view.hover]),
      " ": () => view.hover >= 0 && view.acts.open(view.map.ids[view.hover]),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
    this.#cross(true);
    view.dirty();
  }

  /** The keyboard's place is the middle. */
  #cross(shown) {
    const was = this.#keyboard;
    this.#keyboard = shown;
    this.view.overlay.cross = shown;
    if (shown) {
      const [width, height] = this.view.size ?? [0, 0];
      this.view.look(this.view.pointAt(width / 2, height / 2, 70), width / 2, height / 2);
    } else if (was) this.view.look(-1);
    this.view.dirty();
  }
}
