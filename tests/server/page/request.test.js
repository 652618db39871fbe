import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { asks, how, MEANING, reading, request } from "#page/query/request.js";
import { generation, index, model, state } from "./fixtures.js";

/**
 * @import {Generation, Index} from "#page/base/shapes.js"
 * @import {PageState} from "#page/base/state.js"
 */

const CLIP = model({ column: "clip", modalities: ["text", "image"] });
const WORDS = model({ column: "words", modalities: ["text"] });
const SIGHT = model({ column: "sight", modalities: ["image"] });
const MUTE = model({ column: "mute", modalities: null });
const FULL = { full_text: ["caption"] };

/**
 * @param {Partial<PageState>} asked
 * @param {{models?: Generation["models"], picture?: string | null} & Partial<Index>} [how]
 */
function asking(asked, { models = [CLIP], picture = null, ...own } = {}) {
  const { body, kind, note } = request(state(asked), index(own), generation({ models }), picture);
  const { index: named, ...rest } = body;
  assert.equal(named, "emoji/found");
  return note === undefined ? { ...rest, kind } : { ...rest, kind, note };
}

const PICTURED = { picture: "kept" };
const NOTE = "The words are not used: this index has no full text.";

describe("the request for", () => {
  /** @type {[name: string, asked: Partial<PageState>, how: Parameters<typeof asking>[1], wanted: object][]} */
  const rows = [
    ["words", { text: " dog " }, {}, { text: "dog", column: "clip", kind: "cosine" }],
    ["words, by another metric", { text: "dog" }, { metric: "l2" }, { text: "dog", column: "clip", kind: "l2" }],
    ["words that no model reads", { text: "dog" }, { models: [SIGHT], ...FULL }, { keyword: "dog", kind: "words" }],
    ["words that nothing reads", { text: "dog" }, { models: [SIGHT] }, { text: "dog", kind: "cosine" }],
    ["words, hybrid", { text: "dog", alpha: 0.3 }, FULL, { text: "dog", column: "clip", hybrid: true, alpha: 0.3, kind: "relative" }],
    ["words alone", { text: "dog", alpha: 0 }, FULL, { text: "dog", column: "clip", hybrid: true, alpha: 0, kind: "words" }],
    ["meaning alone", { text: "dog", alpha: 1 }, FULL, { text: "dog", column: "clip", hybrid: true, alpha: 1, kind: "cosine" }],
    ["words, hybrid without full text", { text: "dog", alpha: 0.3 }, {}, { text: "dog", column: "clip", kind: "cosine" }],
    ["a picture", PICTURED, { picture: "AAAA" }, { image: { base64: "AAAA" }, column: "clip", kind: "cosine" }],
    ["a picture and words", { ...PICTURED, text: "dog" }, { picture: "AAAA", ...FULL }, { image: { base64: "AAAA" }, keyword: "dog", alpha: 0.5, column: "clip", kind: "relative" }],
    ["a picture and words that have no full text", { ...PICTURED, text: "dog" }, { picture: "AAAA" }, { image: { base64: "AAAA" }, column: "clip", kind: "cosine", note: NOTE }],
    ["more like an item", { like: "a.png" }, {}, { id: "a.png", column: "clip", kind: "cosine" }],
    ["an item and words", { like: "a.png", text: "dog", alpha: 0.2 }, FULL, { id: "a.png", keyword: "dog", alpha: 0.2, column: "clip", kind: "relative" }],
    ["words by the first that reads them", { text: "dog" }, { models: [SIGHT, WORDS] }, { text: "dog", column: "words", kind: "cosine" }],
    ["words by the one that is chosen", { text: "dog", column: "words" }, { models: [CLIP, WORDS] }, { text: "dog", column: "words", kind: "cosine" }],
    ["words by one that cannot read them", { text: "dog", column: "sight" }, { models: [CLIP, SIGHT] }, { text: "dog", column: "clip", kind: "cosine" }],
    ["words by all", { text: "dog", column: "*" }, { models: [CLIP, WORDS, SIGHT] }, { text: "dog", columns: ["clip", "words"], kind: "rank" }],
    ["words by all, hybrid", { text: "dog", column: "*", alpha: 1 }, { models: [CLIP, WORDS], ...FULL }, { text: "dog", columns: ["clip", "words"], hybrid: true, alpha: 1, kind: "relative" }],
    ["words by all, of which one reads them", { text: "dog", column: "*" }, { models: [SIGHT, WORDS] }, { text: "dog", column: "words", kind: "cosine" }],
    ["a picture by one that does not tell what it reads", PICTURED, { models: [WORDS, MUTE], picture: "AAAA" }, { image: { base64: "AAAA" }, column: "mute", kind: "cosine" }],
    ["an item by any", { like: "a.png", column: "*" }, { models: [WORDS, SIGHT] }, { id: "a.png", columns: ["words", "sight"], kind: "rank" }],
    ["a generation", { text: "dog", generation: "g2" }, {}, { text: "dog", generation: "g2", column: "clip", kind: "cosine" }],
    ["a comparison", { text: "dog", against: "g1" }, {}, { text: "dog", generation: "g2", column: "clip", kind: "cosine" }],
    [
      "words with filters",
      { text: "dog", filters: { group: { values: ["a"] } } },
      { columns: [{ name: "group", type: "string" }] },
      { text: "dog", where: '"group" IN :p0', params: { p0: ["a"] }, column: "clip", kind: "cosine" },
    ],
  ];
  for (const [name, asked, of, wanted] of rows) test(name, () => assert.deepEqual(asking(asked, of), wanted));
});

describe("a look into the index", () => {
  /** @param {Partial<PageState>} asked */
  const looked = (asked) => request(state(asked), index(), generation({ models: [model({ dimensions: 64 }), WORDS] }), null);

  test("is a search by a vector of the first model, as long as one", () => {
    const { body, kind } = looked({ text: "  " });
    assert.equal(kind, "look");
    assert.deepEqual(Object.keys(body), ["index", "vector", "column"]);
    assert.equal(body.column, "clip");
    assert.equal(body.vector?.length, 64);
    assert.ok(Math.abs(Math.hypot(...(body.vector ?? [])) - 1) < 1e-3);
  });

  test("is the same for the same seed, in pages, and another for another", () => {
    assert.deepEqual(looked({ seed: 7 }).body, looked({ seed: 7 }).body);
    assert.notDeepEqual(looked({ seed: 7 }).body.vector, looked({ seed: 8 }).body.vector);
    assert.notDeepEqual(looked({ seed: 0 }).body.vector, looked({ seed: 1 }).body.vector);
  });

  test("stays the same, so that a shared address shows the same", () => {
    const { body } = request(state({ seed: 7 }), index(), generation({ models: [model({ dimensions: 4 })] }), null);
    assert.deepEqual(body.vector, [-0.4263, -0.33602, -0.30132, 0.78394]);
  });

  test("looks to all sides", () => {
    const signs = Array.from({ length: 50 }, (_, seed) => Math.sign(looked({ seed }).body.vector?.[0] ?? 0));
    const positive = signs.filter((one) => one > 0).length;
    assert.ok(positive > 10 && positive < 40, `${positive} of 50`);
  });
});

describe("something is asked by", () => {
  /** @type {[name: string, asked: Partial<PageState>, wanted: boolean][]} */
  const rows = [
    ["words", { text: "dog" }, true],
    ["an item", { like: "a" }, true],
    ["a picture", { picture: "kept" }, true],
    ["blanks: no", { text: "  " }, false],
    ["filters: no", { filters: { group: { has: "a" } } }, false],
  ];
  for (const [name, asked, wanted] of rows) test(name, () => assert.equal(asks(state(asked)), wanted));
});

test("readers are those that read it, and those that do not tell", () => {
  assert.deepEqual(reading([CLIP, WORDS, SIGHT, MUTE], "image"), [CLIP, SIGHT, MUTE]);
  assert.deepEqual(reading([CLIP, WORDS, SIGHT, MUTE], "text"), [CLIP, WORDS, MUTE]);
});

test("hits are shown with what their score means, and pictures of the generation that was searched", () => {
  const { meaning, addressOf } = how(index(), "g1", "words");
  assert.equal(meaning, MEANING.words);
  assert.equal(addressOf("a/b c.png")(192), "/v1/indexes/emoji/found/thumbnails?id=a%2Fb+c.png&size=192&generation=g1");
  assert.equal(how(index(), "g1", "look").meaning, null);
});
