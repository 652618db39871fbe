import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { compared, moves } from "#page/results/moves.js";
import { hits } from "./fixtures.js";

describe("an item of the other list", () => {
  const found = moves(hits("abcd"), hits("bxad"));
  /** @type {[id: string, kind: string, label: string, said: string][]} */
  const rows = [
    ["b", "up", "▲ 1", "1 up"],
    ["x", "new", "new", "new"],
    ["a", "down", "▼ 2", "2 down"],
    ["d", "same", "=", "same place"],
  ];
  for (const [id, kind, label, said] of rows) test(`that ${said}`, () => assert.deepEqual(found.get(id), { kind, label, said }));

  test("is all that is told of", () => assert.deepEqual([...found.keys()], ["b", "x", "a", "d"]));
});

describe("two lists", () => {
  /** @type {[one: string, other: string, common: number, most: number, share: number, gone: string, first: string][]} */
  const rows = [
    ["abcd", "abcd", 4, 4, 1, "", "The first hit is the same."],
    ["abcd", "axyd", 2, 4, 0.5, "bc", "The first hit is the same."],
    ["abcd", "ba", 2, 4, 0.5, "cd", "The first hit is another."],
    ["ab", "xyz", 0, 3, 0, "ab", "The first hit is another."],
    ["", "ab", 0, 2, 0, "", ""],
    ["", "", 0, 0, 1, "", ""],
  ];
  for (const [one, other, common, most, share, gone, first] of rows) {
    test(`“${one}” and “${other}”`, () => {
      const found = compared(hits(one), hits(other));
      assert.deepEqual([found.common, found.most, found.share, [...found.gone.keys()].join(""), found.first], [common, most, share, gone, first]);
    });
  }

  test("mark what is gone in one, and how the rest moved in the other", () => {
    const found = compared(hits("ab"), hits("b"));
    assert.equal(found.gone.get("a")?.kind, "gone");
    assert.equal(found.moves.get("b")?.kind, "up");
  });
});
