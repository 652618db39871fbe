import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";

import { address, parse, State } from "#page/base/state.js";
import { state } from "./fixtures.js";

/** @import {PageState} from "#page/base/state.js" */

/** @param {PageState} one filters without a prototype are like others */
const plain = (one) => ({ ...one, filters: { ...one.filters } });

describe("an address and its state", () => {
  /** @type {[query: string, state: Partial<PageState>][]} */
  const rows = [
    ["", {}],
    ["?index=emoji%2Ffound&generation=g1", { index: "emoji/found", generation: "g1" }],
    ["?q=red+apple", { text: "red apple" }],
    ["?like=a%2Fb.png&column=*", { like: "a/b.png", column: "*" }],
    ["?alpha=0", { alpha: 0 }],
    ["?alpha=0.25", { alpha: 0.25 }],
    ["?is.group=a&is.group=b&none.group=1", { filters: { group: { values: ["a", "b"], none: true } } }],
    ["?min.size=1&max.size=2&has.caption=50%25", { filters: { size: { min: "1", max: "2" }, caption: { has: "50%" } } }],
    ["?is.a.b=c", { filters: { "a.b": { values: ["c"] } } }],
    ["?seed=7", { seed: 7 }],
    ["?view=map&item=a.png", { view: "map", item: "a.png" }],
    ["?against=g1", { against: "g1" }],
  ];
  for (const [query, own] of rows) {
    test(`${query || "of the start"} say the same`, () => {
      assert.deepEqual(plain(parse(query)), state(own));
      assert.equal(address(state(own)), query);
    });
  }
});

describe("an address may say anything", () => {
  /** @type {[query: string, state: Partial<PageState>][]} */
  const rows = [
    ["?alpha=7", { alpha: 1 }],
    ["?alpha=-1", { alpha: 0 }],
    ["?alpha=much", {}],
    ["?seed=much", {}],
    ["?view=globe", {}],
    ["?picture=kept", {}],
    ["?is.=a&.group=a&is=a", {}],
    ["?utm.source=letter", {}],
  ];
  for (const [query, own] of rows) test(query, () => assert.deepEqual(plain(parse(query)), state(own)));

  test("?has.__proto__=x, which is a column like others", () => {
    const { filters } = parse("?has.__proto__=x");
    assert.deepEqual(Object.entries(filters), [["__proto__", { has: "x" }]]);
    assert.equal(/** @type {{has?: string}} */ ({}).has, undefined);
    assert.equal(address(state({ filters })), "?has.__proto__=x");
  });
});

test("a picture's name is kept beside the address", () => {
  assert.equal(parse("", { picture: "kept" }).picture, "kept");
  assert.equal(parse("", null).picture, null);
  assert.equal(address(state({ picture: "kept" })), "");
});

describe("the state", () => {
  /** @type {string[]} */
  let steps = [];
  /** @type {Set<string>[]} */
  let told = [];
  /** @type {(event: {state: unknown}) => void} */
  let goBack = () => {};
  let now = 10_000;

  beforeEach(() => {
    steps = [];
    told = [];
    now = 10_000;
    mock.method(performance, "now", () => now);
    Object.assign(globalThis, {
      location: { search: "?q=dog", pathname: "/" },
      history: {
        state: null,
        pushState: (/** @type {unknown} */ _, /** @type {string} */ __, /** @type {string} */ url) => steps.push(`push ${url}`),
        replaceState: (/** @type {unknown} */ _, /** @type {string} */ __, /** @type {string} */ url) => steps.push(`replace ${url}`),
      },
      addEventListener: (/** @type {string} */ name, /** @type {typeof goBack} */ act) => {
        if (name === "popstate") goBack = act;
      },
    });
  });

  const begun = () => new State((changed) => told.push(changed));

  test("begins with the address", () => assert.equal(begun().now.text, "dog"));

  test("tells what changed, and makes a step of history", () => {
    const one = begun();
    one.set({ text: "cat", view: "map", seed: 0 });
    assert.deepEqual(told, [new Set(["text", "view"])]);
    assert.deepEqual(steps, ["push ?q=cat&view=map"]);
    assert.equal(one.now.text, "cat");
  });

  test("tells of filters that changed inside", () => {
    const one = begun();
    one.set({ filters: { group: { values: ["a"] } } });
    one.set({ filters: { group: { values: ["a"] } } });
    one.set({ filters: { group: { values: ["a", "b"] } } });
    assert.deepEqual(told, [new Set(["filters"]), new Set(["filters"])]);
    assert.equal(steps.length, 2);
  });

  test("is silent where nothing changed", () => {
    begun().set({ text: "dog" });
    assert.deepEqual([told, steps], [[], []]);
  });

  test("of the start has an address without a query", () => {
    begun().set({ text: "" });
    assert.deepEqual(steps, ["push /"]);
  });

  test("makes a step for another picture, which the address does not tell", () => {
    begun().set({ picture: "kept" });
    assert.deepEqual(steps, ["push ?q=dog"]);
  });

  test("replaces the step where it is asked to", () => {
    begun().set({ item: "a" }, { replace: true });
    assert.deepEqual(steps, ["replace ?q=dog&item=a"]);
  });

  test("makes one step of a word that is typed without a pause", () => {
    const one = begun();
    for (const [after, text] of /** @type {[number, string][]} */ ([[0, "c"], [1000, "ca"], [1499, "cat"], [1500, "cats"]])) {
      now += after;
      one.set({ text }, { typing: true });
    }
    assert.deepEqual(steps, ["push ?q=c", "replace ?q=ca", "replace ?q=cat", "push ?q=cats"]);
  });

  test("makes a step of what is typed after something else was done", () => {
    const one = begun();
    one.set({ text: "c" }, { typing: true });
    one.set({ view: "map" });
    one.set({ text: "ca" }, { typing: true });
    assert.deepEqual(steps, ["push ?q=c", "push ?q=c&view=map", "push ?q=ca&view=map"]);
  });

  test("follows the browser's history, with the picture that it keeps", () => {
    const one = begun();
    Object.assign(globalThis.location, { search: "?q=cat" });
    goBack({ state: { picture: "kept" } });
    assert.deepEqual(told, [new Set(["text", "picture"])]);
    assert.deepEqual([one.now.text, one.now.picture], ["cat", "kept"]);
    goBack({ state: null });
    assert.equal(one.now.picture, null);
  });
});
