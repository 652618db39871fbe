import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "#page/base/format.js";
import { hit, model } from "./fixtures.js";

/**
 * A test a row: what a function makes of what.
 * @template {unknown[]} Given
 * @param {(...given: Given) => unknown} act
 * @param {[given: Given, wanted: unknown][]} rows
 */
function table(act, rows) {
  for (const [given, wanted] of rows) test(`${act.name}(${given.map((one) => JSON.stringify(one)).join(", ")})`, () => assert.equal(act(...given), wanted));
}

table(format.count, [
  [[0], "0"],
  [[1914], "1,914"],
  [[1_000_000], "1,000,000"],
]);
table(format.some, [
  [[1, "hit"], "1 hit"],
  [[0, "hit"], "0 hits"],
  [[2000, "hit"], "2,000 hits"],
  [[2, "index", "indexes"], "2 indexes"],
]);
table(format.seconds, [
  [[0], "1 ms"],
  [[0.034], "34 ms"],
  [[0.9994], "999 ms"],
  [[0.9995], "1.0 s"],
  [[12.34], "12.3 s"],
]);
table(format.score, [
  [[0.12345], "0.123"],
  [[0.01234], "0.0123"],
  [[0.1], "0.100"],
  [[99.9994], "99.999"],
  [[100], "100"],
  [[-0.5], "-0.500"],
  [[12.3456], "12.346"],
  [[123.4], "123"],
]);
table(format.time, [
  [["2026-11-21T14:40:00"], "21 Nov, 14:40"],
  [["2026-01-02T00:05:00"], "2 Jan, 00:05"],
  [["soon"], "soon"],
]);
table(format.date, [
  [["2026-11-21T14:40:00"], "21 Nov 2026"],
  [["never"], "never"],
]);
table(format.lastOf, [
  [["a/b/c.png"], "c.png"],
  [["c.png"], "c.png"],
  [["a/b/"], "b"],
  [["/"], "/"],
]);
table(format.modelName, [
  [[model({ name: "ViT-B-32" })], "ViT-B-32"],
  [[model({ name: "organisation/some-model" })], "some-model"],
  [[model({ name: "package:emoji_s/weights" })], "emoji-s"],
  [[model({ name: "package:emoji_s" })], "emoji-s"],
  [[model({ name: "", column: "clip" })], "clip"],
]);
table(format.modelNames, [
  [[{ models: [model({ name: "one" })] }], "one"],
  [[{ models: [model({ name: "one" }), model({ name: "a/two" })] }], "one + two"],
  [[{ models: [model({ name: "one" }), model({ name: "a/one" })] }], "one"],
]);
table(format.title, [
  [[hit({ metadata: { caption: "red apple", text: "words" } })], "red apple"],
  [[hit({ metadata: { caption: 7 } })], "7"],
  [[hit({ metadata: { caption: "", text: "many\n  words" } })], "many words"],
  [[hit({ metadata: { text: "x".repeat(200) } })], "x".repeat(90)],
  [[hit({ id: "a/b.png" })], "b.png"],
  [[{ id: "a/b.png" }], "b.png"],
  [[{ id: "a/b/" }], "b"],
]);
table(format.shortTitle, [
  [[hit({ id: "a/b.txt", metadata: { modality: "text", text: "words" } })], "a/b.txt"],
  [[hit({ id: "a/b.txt", metadata: { modality: "text", text: "words", caption: "a note" } })], "a note"],
  [[hit({ id: "a/b.png", metadata: { modality: "image" } })], "b.png"],
]);
table(format.readable, [
  [[hit({ metadata: { modality: "text" } })], true],
  [[hit({ metadata: { text: "words" } })], true],
  [[hit({ metadata: { text: "words", modality: "image" } })], false],
  [[hit({ metadata: { text: "words", modality: "audio" } })], false],
  [[hit()], false],
  [[{ id: "a" }], false],
]);
table(format.value, [
  [["caption", null], null],
  [["caption", undefined], null],
  [["caption", ""], null],
  [["caption", "red apple"], "red apple"],
  [["tags", ["a", "b"]], "a, b"],
  [["box", { left: 1 }], '{"left":1}'],
  [["boxes", [{ left: 1 }, null]], '[{"left":1},null]'],
  [["size", 999], "999 B"],
  [["size", 1000], "1.0 kB"],
  [["size", 123_456], "123.5 kB"],
  [["size", 999_949], "999.9 kB"],
  [["size", 999_950], "1.0 MB"],
  [["size", 5_000_000_000_000], "5000.0 GB"],
  [["width", 1914], "1,914"],
  [["weight", 0.5], "0.5"],
  [["good", false], "false"],
]);
