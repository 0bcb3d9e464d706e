// Saved views: when what is shown is the view that was chosen.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";

const { NOTHING } = await import("../../assets/page/grid/filters.js");
const { same } = await import("../../assets/page/grid/saved_views.js");

test("filters are the same whatever the order of their classes, and with what they leave out", () => {
  assert.ok(same(NOTHING, {}));
  assert.ok(same({ labels: ["cat", "dog"] }, { ...NOTHING, labels: ["dog", "cat"] }));
  assert.ok(same({ ...NOTHING, as_of: 4, upto: 9 }, NOTHING)); // how far a list was looked at filters nothing
});

test("another class, limit or order is another view", () => {
  for (const part of [{ labels: ["cat"] }, { low: 0 }, { sort: "newest" }, { relabelled: true }])
    assert.ok(!same({ ...NOTHING, ...part }, NOTHING), JSON.stringify(part));
});
