import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { discs } from "#page/map/discs.js";

const RED = [255, 0, 0, 255];
const BLUE = [0, 0, 255, 255];

/**
 * An image of 20 to 10 pixels of a plane that is 20 pixels wide.
 * @param {[x: number, y: number][]} places in pixels
 * @param {number[][]} colours
 * @param {number} [size]
 */
function drawn(places, colours, size = 4) {
  const image = { width: 20, height: 10, data: new Uint8ClampedArray(20 * 10 * 4).fill(9) };
  const put = Uint16Array.from(places.flat(), (one) => Math.round((one / 20) * 65535));
  discs(image, put, Uint8Array.from(colours.flat()), { left: 0, top: 0, side: 20, size });
  return (/** @type {number} */ x, /** @type {number} */ y) => [...image.data.slice(4 * (y * 20 + x), 4 * (y * 20 + x) + 4)];
}

describe("a disc", () => {
  const at = drawn([[10, 5]], [RED]);

  test("is full in its middle", () => assert.deepEqual(at(10, 5), RED));

  test("reaches as far as its size says, softly", () => {
    assert.deepEqual(at(11, 5), RED);
    assert.deepEqual(at(12, 5), [255, 0, 0, 76]);
    assert.deepEqual(at(13, 5), [0, 0, 0, 0]);
  });

  test("is round", () => {
    assert.deepEqual(at(12, 5), at(10, 7));
    assert.deepEqual(at(12, 7), [0, 0, 0, 0]);
  });

  test("leaves the rest empty, whatever was there", () => assert.deepEqual(at(0, 0), [0, 0, 0, 0]));

  test("is not drawn where it is hidden", () => assert.deepEqual(drawn([[10, 5]], [[255, 0, 0, 0]])(10, 5), [0, 0, 0, 0]));

  for (const place of /** @type {[number, number][]} */ ([[1, 5], [18, 5], [10, 1], [10, 8]])) {
    test(`at ${place}, which does not fit, is left out`, () => assert.deepEqual(drawn([place], [RED])(...place), [0, 0, 0, 0]));
  }
  for (const place of /** @type {[number, number][]} */ ([[2, 5], [17, 5], [10, 2], [10, 7]])) {
    test(`at ${place}, which just fits, is drawn`, () => assert.deepEqual(drawn([place], [RED])(...place), RED));
  }

  test("is drawn for each point", () => {
    const places = /** @type {[number, number][]} */ ([[3, 5], [7, 5], [11, 5], [15, 5]]);
    const all = drawn(places, places.map(() => RED), 2);
    assert.deepEqual(places.map((place) => all(...place)), places.map(() => RED));
  });
});

describe("a disc over another", () => {
  test("hides it", () => assert.deepEqual(drawn([[10, 5], [10, 5]], [RED, BLUE])(10, 5), BLUE));

  test("lets it through where it is see-through", () => {
    const [red, green, blue, alpha] = drawn([[10, 5], [10, 5]], [RED, [0, 0, 255, 128]])(10, 5);
    assert.deepEqual([red, green, blue, alpha], [127, 0, 128, 255]);
  });

  test("adds up with it", () => {
    const [red, , , alpha] = drawn([[10, 5], [10, 5]], [[255, 0, 0, 128], [255, 0, 0, 128]])(10, 5);
    assert.deepEqual([red, alpha], [255, 192]);
  });
});
