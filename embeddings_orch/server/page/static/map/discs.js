/** Discs of some transparency, written as pixels: one over the other, as a graphics card would draw them. */

/**
 * Draws a disc at each place into an image, which is emptied before.
 * @param {{width: number, height: number, data: Uint8ClampedArray}} image
 * @param {Uint16Array} places x, y of each, from 0 to 65535
 * @param {Uint8Array} colours red, green, blue, alpha of each
 * @param {{left: number, top: number, side: number, size: number}} where in pixels: the plane's corner and side, and
 *   how wide a disc is
 */
export function discs({ width, height, data }, places, colours, { left, top, side, size }) {
  data.fill(0);
  const disc = shape(size);
  const { reach } = disc;
  const scale = side / 65535;
  for (let point = 0; point < places.length / 2; point += 1) {
    const ink = colours[4 * point + 3];
    const x = Math.round((places[2 * point] ?? 0) * scale + left);
    const y = Math.round((places[2 * point + 1] ?? 0) * scale + top);
    if (!ink || x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
    for (const { right, down, cover: share } of disc.pixels) {
      const at = 4 * ((y + down) * width + x + right);
      // Not premultiplied: over what is there, of whatever transparency.
      const cover = (share * ink) / 255;
      const under = ((data[at + 3] ?? 0) / 255) * (1 - cover);
      const all = cover + under;
      for (let band = 0; band < 3; band += 1) data[at + band] = ((colours[4 * point + band] ?? 0) * cover + (data[at + band] ?? 0) * under) / all;
      data[at + 3] = 255 * all;
    }
  }
}

/** @typedef {{reach: number, pixels: {right: number, down: number, cover: number}[]}} Disc */

/** @type {Map<number, Disc>} */
const shapes = new Map();

/**
 * The pixels of a disc and how much of each it covers.
 * @param {number} size pixels across
 * @returns {Disc}
 */
function shape(size) {
  const key = Math.round(size * 4) / 4;
  const known = shapes.get(key);
  if (known) return known;
  const reach = Math.ceil(key / 2);
  /** @type {Disc} */
  const disc = { reach, pixels: [] };
  for (let down = -reach; down <= reach; down += 1) {
    for (let right = -reach; right <= reach; right += 1) {
      const cover = Math.min(1, Math.max(0, key / 2 + 0.3 - Math.hypot(right, down)));
      if (cover > 0.05) disc.pixels.push({ right, down, cover });
    }
  }
  shapes.set(key, disc);
  return disc;
}
