import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { hue, MOST, paint } from "#page/base/colours.js";

const NONE = new Set();

/**
 * @param {string} colour
 * @param {number} alpha
 */
const rgba = (colour, alpha) => [...[1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)), alpha];

/** @param {Uint8Array} colours */
const points = (colours) => Array.from({ length: colours.length / 4 }, (_, point) => [...colours.slice(4 * point, 4 * point + 4)]);

for (const theme of /** @type {const} */ (["light", "dark"])) {
  const weak = theme === "dark" ? 70 : 84;
  describe(`in the ${theme} theme`, () => {
    test("each place of a legend has a colour of its own, the rest share one", () => {
      const hues = Array.from({ length: MOST }, (_, place) => hue(place, theme));
      assert.equal(new Set([...hues, hue(MOST, theme)]).size, MOST + 1);
      assert.equal(hue(MOST, theme), hue(40, theme));
    });

    test("points have the colour of the legend", () => {
      const codes = Int16Array.of(0, 3, MOST - 1, MOST, -1);
      const wanted = [0, 3, MOST - 1, MOST, MOST].map((place) => rgba(hue(place, theme), 205));
      assert.deepEqual(points(paint(5, codes, NONE, null, theme)), wanted);
    });

    test("points without a column have the first colour", () => {
      assert.deepEqual(points(paint(2, null, NONE, null, theme)), [rgba(hue(0, theme), 205), rgba(hue(0, theme), 205)]);
    });

    test("points that were not found are weak", () => {
      assert.deepEqual(points(paint(2, null, NONE, new Set([1]), theme)).map(([, , , alpha]) => alpha), [weak, 205]);
    });

    test("points of a value that is hidden are not seen, found or not", () => {
      const shown = points(paint(3, Int16Array.of(0, 1, -1), new Set([1, -1]), new Set([1]), theme));
      assert.deepEqual(shown.map(([, , , alpha]) => alpha), [weak, 0, 0]);
    });
  });
}

test("points are fainter where they are many", () => {
  assert.equal(paint(20_000, null, NONE, null, "light")[3], 205);
  assert.equal(paint(20_001, null, NONE, null, "light")[3], 150);
});
