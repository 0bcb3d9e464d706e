// Two handles mean a range, or no limit where they stand at the end of the scores.
import assert from "node:assert/strict";
import { test } from "node:test";
import { rangeOf } from "../../assets/page/grid/range.js";

const scores = { low: 0, high: 1 };

test("handles mean the range between them, in either order", () => {
  assert.deepEqual(rangeOf("0.7", "0.2", scores), { low: 0.2, high: 0.7 });
});

test("a handle at the end of the scores is no limit", () => {
  assert.deepEqual(rangeOf("0", "0.5", scores), { low: null, high: 0.5 });
  assert.deepEqual(rangeOf("0.5", "1", scores), { low: 0.5, high: null });
});

test("a handle as near to the end as it can be set is no limit either", () => {
  assert.deepEqual(rangeOf("0.001", "0.999", scores), { low: null, high: null });
});
