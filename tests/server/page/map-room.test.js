import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Points } from "#page/map/points.js";
import { Room, scattered } from "#page/map/room.js";
import { Plane } from "#page/map/plane.js";

describe("room for a picture", () => {
  /** @type {[name: string, places: [number, number][], wanted: boolean[]][]} */
  const rows = [
    ["is taken once", [[10, 10], [10, 10]], [true, false]],
    ["is not beside another", [[10, 10], [50, 10]], [true, false]],
    ["is not below another, in the next cell", [[10, 49], [10, 51]], [true, false]],
    ["is far enough away", [[10, 10], [92, 10], [10, 92]], [true, true, true]],
    ["is not taken by what found none", [[10, 10], [70, 10], [95, 10]], [true, false, true]],
    ["is left and above of the screen, too", [[-10, -10], [10, 10], [-100, -100]], [true, false, true]],
  ];
  for (const [name, places, wanted] of rows) {
    test(name, () => {
      const room = new Room(100);
      assert.deepEqual(places.map((place) => room.take(...place)), wanted);
    });
  }
});

describe("points that are shown as pictures", () => {
  const xs = [0.1, 0.11, 0.5, 0.9];
  const points = new Points({ ids: ["a", "b", "c", "d"], x: xs.map((one) => one * 65535), y: xs.map(() => 32768) });
  const how = { cell: 54, margin: 0, crowd: 4 };
  const all = () => true;

  /** @param {number} [zoom] */
  function plane(zoom = 1) {
    const made = new Plane();
    made.resize(500, 500);
    made.zoom(zoom);
    return made;
  }

  test("are of cells beside and below each other", () => {
    const own = [[0.5, 0.1], [0.5, 0.5], [0.5, 0.52], [0.1, 0.5], [0.9, 0.1]];
    const spread = new Points({ ids: ["a", "b", "c", "d", "e"], x: own.map(([x = 0]) => x * 65535), y: own.map(([, y = 0]) => (1 - y) * 65535) });
    assert.deepEqual(scattered(spread, plane(), all, { ...how, crowd: 5 }), [0, 1, 3, 4]);
  });
  test("are in the order of the points, wherever they are", () => {
    const turned = new Points({ ids: ["a", "b", "c"], x: [60000, 30000, 5000], y: [5000, 30000, 60000] });
    assert.deepEqual(scattered(turned, plane(), all, how), [0, 1, 2]);
  });
  test("are the first of each cell", () => assert.deepEqual(scattered(points, plane(), all, how), [0, 2, 3]));
  test("are those that can be used", () => assert.deepEqual(scattered(points, plane(), (point) => point !== 0, how), [1, 2, 3]));
  test("are those that are seen", () => assert.deepEqual(scattered(points, plane(4), all, how), [2]));
  test("are none in a crowd", () => assert.deepEqual(scattered(points, plane(), all, { ...how, crowd: 3 }), []));

  test("stay the same while the map is moved, and zoomed a little", () => {
    const moved = plane(1.05);
    moved.pan(7, 3);
    assert.deepEqual(scattered(points, moved, all, how), [0, 2, 3]);
  });
});
