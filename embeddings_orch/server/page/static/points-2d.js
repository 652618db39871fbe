/** Draws the points without WebGL: pixels of discs, written into an image. */

export class Points2d {
  name = "canvas";

  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d");
    this.image = null;
  }

  load(places, colours) {
    this.places = places;
    this.paint(colours);
  }

  paint(colours) {
    this.colours = colours;
  }

  draw(plane, size, ratio) {
    const { width, height } = this.canvas;
    if (this.image?.width !== width || this.image?.height !== height) this.image = this.context.createImageData(width, height);
    const pixels = this.image.data;
    pixels.fill(0);
    const disc = shape(size * ratio);
    const [left, top] = plane.toScreen(0, 0);
    const scale = (plane.side * ratio) / 65535;
    const [x0, y0] = [left * ratio, top * ratio];
    const { places, colours } = this;
    const reach = disc.reach;
    for (let point = 0; point < places.length / 2; point += 1) {
      const ink = colours[4 * point + 3];
      const x = Math.round(places[2 * point] * scale + x0);
      const y = Math.round(places[2 * point + 1] * scale + y0);
      if (!ink || x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
      for (let part = 0; part < disc.cover.length; part += 1) {
        const at = 4 * ((y + disc.down[part]) * width + x + disc.right[part]);
        // Not premultiplied: over what is there, of whatever transparency.
        const cover = (disc.cover[part] * ink) / 255;
        const under = (pixels[at + 3] / 255) * (1 - cover);
        const all = cover + under;
        for (let band = 0; band < 3; band += 1) pixels[at + band] = (colours[4 * point + band] * cover + pixels[at + band] * under) / all;
        pixels[at + 3] = 255 * all;
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }
}

const shapes = new Map();

/** The pixels of a disc and how much of each it covers. */
function shape(size) {
  const key = Math.round(size * 4) / 4;
  if (!shapes.has(key)) {
    const reach = Math.ceil(key / 2);
    const disc = { reach, right: [], down: [], cover: [] };
    for (let down = -reach; down <= reach; down += 1) {
      for (let right = -reach; right <= reach; right += 1) {
        const cover = Math.min(1, Math.max(0, key / 2 + 0.3 - Math.hypot(right, down)));
        if (cover <= 0.05) continue;
        disc.right.push(right);
        disc.down.push(down);
        disc.cover.push(cover);
      }
    }
    shapes.set(key, disc);
  }
  return shapes.get(key);
}
