import assert from "node:assert/strict";
import { test } from "node:test";
import { isLadder, under, within } from "../../assets/page/tabs/grid_words.js";

test("a row of t0 is a ladder, a grid or another field is none", () => {
  const rungs = { name: "strength", values: ["0.2", "0.8"] };
  assert.equal(isLadder({ x: rungs, y: null }), true);
  assert.equal(isLadder({ x: rungs, y: { name: "seed", values: ["1"] } }), false);
  assert.equal(isLadder({ x: { name: "seed", values: ["1", "2"] }, y: null }), false);
  assert.equal(isLadder({ x: { ...rungs, values: ["0.2"] }, y: null }), false);
});

test("a range goes upwards, whichever handle stands lower", () => {
  assert.deepEqual(within("5", "2"), [2, 5]);
  assert.deepEqual(within("10", "9"), [9, 10]);
});

test("under a picture stands what is known of it", () => {
  assert.deepEqual(under({ nearest_real: 0.834, label_agreement: 0.917 }), ["photo 0.83", "class 92 %"]);
  assert.deepEqual(under({ nearest_real: 1, label_agreement: 0 }), ["a copy", "class 0 %"]);
  assert.deepEqual(under({ nearest_real: null, label_agreement: null }), []);
});
