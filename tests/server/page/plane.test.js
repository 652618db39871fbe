import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Plane } from "#page/map/plane.js";

/** A plane on a screen of 1000 to 500 pixels. */
function plane() {
  const made = new Plane();
  made.resize(1000, 500);
  return made;
}

/**
 * @param {readonly number[]} found
 * @param {readonly number[]} wanted
 */
function near(found, wanted) {
  assert.equal(found.length, wanted.length);
  found.forEach((one, place) => assert.ok(Math.abs(one - (wanted[place] ?? NaN)) < 1e-9, `${found} is not ${wanted}`));
}

test("all of it is shown in the beginning, in the middle", () => {
  const { x, y, side, fitted } = plane();
  assert.deepEqual({ x, y, side, fitted }, { x: 0.5, y: 0.5, side: 460, fitted: true });
});

describe("another size of the screen", () => {
  test("shows all of it where all was shown", () => {
    const one = plane();
    one.resize(300, 200);
    assert.equal(one.side, 184);
  });

  test("leaves it as it is where a part was shown", () => {
    const one = plane();
    one.zoom(3);
    one.pan(40, 0);
    const { x, y, side } = one;
    one.resize(300, 200);
    assert.deepEqual([one.x, one.y, one.side], [x, y, side]);
  });
});

describe("places", () => {
  const one = plane();
  one.zoom(2, 300, 100);
  one.pan(13, -7);

  test("of the plane's middle and corner", () => {
    near(plane().toScreen(0.5, 0.5), [500, 250]);
    near(plane().toScreen(0, 1), [500 - 230, 250 + 230]);
  });

  test("go to the screen and back", () => near(one.toPlane(...one.toScreen(0.2, 0.7)), [0.2, 0.7]));

  test("that are seen are those between the screen's corners", () => {
    near(one.seen(), [...one.toPlane(0, 0), ...one.toPlane(1000, 500)]);
    near(one.seen(40), [...one.toPlane(-40, -40), ...one.toPlane(1040, 540)]);
  });
});

test("what is dragged follows", () => {
  const one = plane();
  const before = one.toPlane(400, 200);
  one.pan(30, -20);
  near(one.toPlane(430, 180), before);
});

test("it cannot be dragged out of sight", () => {
  const one = plane();
  one.pan(1e6, -1e6);
  assert.deepEqual([one.x, one.y], [-0.05, 1.05]);
});

describe("a zoom", () => {
  for (const factor of [2, 0.9]) {
    test(`by ${factor} keeps what is under the pointer there`, () => {
      const one = plane();
      const before = one.toPlane(600, 200);
      one.zoom(factor, 600, 200);
      near(one.toPlane(600, 200), before);
      assert.equal(one.side, 460 * factor);
    });
  }

  test("without a pointer keeps the middle", () => {
    const one = plane();
    one.zoom(2);
    assert.deepEqual([one.x, one.y], [0.5, 0.5]);
  });

  test("has limits", () => {
    const one = plane();
    one.zoom(1e9);
    assert.equal(one.side, 400_000);
    one.zoom(1e-9);
    assert.equal(one.side, 460 * 0.7);
  });

  test("ends with all of it", () => {
    const one = plane();
    one.zoom(5, 10, 10);
    one.fit();
    assert.deepEqual([one.x, one.y, one.side, one.fitted], [0.5, 0.5, 460, true]);
  });
});

test("a place that is gone to is in the middle, large enough", () => {
  const one = plane();
  one.goTo(0.2, 0.3);
  near(one.toScreen(0.2, 0.3), [500, 250]);
  assert.equal(one.side, 4 * 460);
  one.zoom(3);
  one.goTo(0.8, 0.9);
  assert.equal(one.side, 12 * 460);
});
