import assert from "node:assert/strict";
import { test } from "node:test";

import { Points } from "#page/map/points.js";

const points = new Points({ ids: ["a", "b", "c"], x: [0, 65535, 13107], y: [0, 65535, 13107] });

test("a map's y goes up, the screen's goes down", () => {
  assert.deepEqual([0, 1, 2].map((point) => points.at(point)), [[0, 1], [1, 0], [0.2, 0.8]]);
  assert.deepEqual([...points.places], [0, 65535, 65535, 0, 13107, 52428]);
});

test("a point is found by its item, and an item without a point is not", () => {
  assert.deepEqual(["a", "c", "d", "constructor"].map((id) => points.of(id)), [0, 2, -1, -1]);
});

test("points near a place are found where they are drawn", () => assert.equal(points.bins.nearest(0.21, 0.79, 0.1), 2));

test("a point's code is its value's place in the legend", () => {
  const values = [
    { value: "most", count: 9 },
    { value: "some", count: 2 },
  ];
  const found = { values: ["some", "rare", "most"], ids: ["c", "a", "elsewhere"], codes: [0, 2, 2] };
  assert.deepEqual([...points.codes(found, values)], [0, -1, 1]);
});

test("a value that there is not, or that the legend lacks, has no code", () => {
  const found = { values: ["rare"], ids: ["a", "b"], codes: [-1, 0] };
  assert.deepEqual([...points.codes(found, [{ value: "most", count: 9 }])], [-1, -1, -1]);
});

test("true and false are values like texts", () => {
  const values = [
    { value: false, count: 2 },
    { value: true, count: 1 },
  ];
  assert.deepEqual([...points.codes({ values: [true, false], ids: ["a", "b", "c"], codes: [0, 1, 1] }, values)], [1, 0, 0]);
});
