import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { besideLine, foundLine } from "#page/results/status-line.js";
import { hits } from "./fixtures.js";

describe("of the results is said", () => {
  const found = { hits: hits("abc"), asks: true, filtered: false, rows: 1914, seconds: 0.034 };
  /** @type {[wanted: string, own: Partial<typeof found>, full: boolean][]} */
  const rows = [
    ["3 hits of 1,914 · 34 ms", {}, false],
    ["First 3 hits of 1,914 · 34 ms", {}, true],
    ["1 hit of 1,914 · 34 ms", { hits: hits("a") }, false],
    ["3 items of 1,914 · 34 ms", { asks: false, filtered: true }, false],
    ["3 hits of 1,914 · 2.0 s", { filtered: true, seconds: 2 }, false],
    ["No hits", { hits: [] }, false],
    ["No hits", { hits: [], asks: false, filtered: true }, false],
    ["A look at 1,914 items", { asks: false }, true],
    ["A look at 1 item", { asks: false, rows: 1 }, false],
  ];
  for (const [wanted, own, full] of rows) test(wanted, () => assert.equal(foundLine({ ...found, ...own }, full), wanted));
});

test("of two lists is said how many they are, and the longer time", () => {
  assert.equal(besideLine({ hits: hits("a"), seconds: 0.1 }, { hits: hits("abc"), seconds: 0.2 }), "1 hit beside 3 · 200 ms");
});
