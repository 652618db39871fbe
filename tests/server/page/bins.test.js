import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Bins } from "#page/map/bins.js";

const MOST = 65535;

/** @param {[x: number, y: number][]} places from 0 to 1 */
const bins = (...places) => new Bins(Uint16Array.from(places.flat(), (one) => Math.round(one * MOST)));

/** Places spread over the plane, the same each time. */
function many(number = 3000) {
  let seed = 1;
  const next = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  return Array.from({ length: number }, () => /** @type {[number, number]} */ ([next(), next()]));
}

/**
 * @param {Bins} of
 * @param {[number, number, number, number]} rectangle
 */
function within(of, rectangle) {
  /** @type {number[]} */
  const found = [];
  of.within(rectangle, (point) => void found.push(point));
  return found.sort((one, other) => one - other);
}

describe("the points of a rectangle", () => {
  const places = many();
  const all = bins(...places);
  /** @type {[number, number, number, number][]} */
  const rectangles = [
    [0, 0, 1, 1],
    [-0.5, -0.5, 1.5, 1.5],
    [0.2, 0.3, 0.25, 0.7],
    [0.5, 0.5, 0.501, 0.501],
    [0.9, 0.9, 1, 1],
    [0.7, 0, 0.6, 1],
  ];
  for (const [x0, y0, x1, y1] of rectangles) {
    test(`${x0}, ${y0} to ${x1}, ${y1}`, () => {
      const inside = places.flatMap(([x, y], point) => {
        const [left, top] = [Math.round(x * MOST), Math.round(y * MOST)];
        return left >= x0 * MOST && left <= x1 * MOST && top >= y0 * MOST && top <= y1 * MOST ? [point] : [];
      });
      assert.deepEqual(within(all, [x0, y0, x1, y1]), inside);
    });
  }

  test("at the corners of the plane belong to it", () => {
    assert.deepEqual(within(bins([0, 0], [1, 1], [0, 1], [1, 0]), [0, 0, 1, 1]), [0, 1, 2, 3]);
  });

  test("are visited until one is enough", () => {
    let visits = 0;
    all.within([0, 0, 1, 1], () => {
      visits += 1;
      return visits < 5;
    });
    assert.equal(visits, 5);
  });

  test("are none where there are no points", () => assert.deepEqual(within(bins(), [0, 0, 1, 1]), []));
});

describe("the nearest point", () => {
  const three = bins([0.5, 0.5], [0.52, 0.5], [0.9, 0.9]);
  /** @type {[name: string, x: number, y: number, radius: number, wanted: number][]} */
  const rows = [
    ["is the one that is nearest", 0.505, 0.5, 0.1, 0],
    ["may lie in another bin", 0.515, 0.5, 0.1, 1],
    ["is none farther away than asked", 0.7, 0.7, 0.1, -1],
    ["is not found at the corner of the square around", 0.87, 0.87, 0.04, -1],
    ["is found from outside of the plane", 1.01, 1.01, 0.2, 2],
  ];
  for (const [name, x, y, radius, wanted] of rows) test(name, () => assert.equal(three.nearest(x, y, radius), wanted));

  test("is one that can be used", () => assert.equal(three.nearest(0.505, 0.5, 0.1, (point) => point !== 0), 1));

  test("is the one that looking at all would find", () => {
    const places = many();
    const all = bins(...places);
    for (const [x, y] of many(50)) {
      const away = places.map(([left, top]) => Math.hypot(Math.round(left * MOST) / MOST - x, Math.round(top * MOST) / MOST - y));
      const least = Math.min(...away);
      assert.equal(all.nearest(x, y, 0.1), least <= 0.1 ? away.indexOf(least) : -1);
    }
  });
});
