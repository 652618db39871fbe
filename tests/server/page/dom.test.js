import assert from "node:assert/strict";
import { test } from "node:test";

import { byId } from "#page/base/dom.js";

class HTMLElement {}
class HTMLInputElement extends HTMLElement {}

Object.assign(globalThis, {
  HTMLElement,
  HTMLInputElement,
  document: { getElementById: (/** @type {string} */ id) => ({ status: new HTMLElement(), words: new HTMLInputElement() })[id] ?? null },
});

test("an element of the page is found by its id", () => {
  assert.ok(byId("status") instanceof HTMLElement);
  assert.ok(byId("words", globalThis.HTMLInputElement) instanceof HTMLInputElement);
});

test("one that there is not, or that is of another kind, is named", () => {
  assert.throws(() => byId("nothing"), { message: "The page has no HTMLElement with the id nothing" });
  assert.throws(() => byId("status", globalThis.HTMLInputElement), { message: "The page has no HTMLInputElement with the id status" });
});
