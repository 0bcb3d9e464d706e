// Orders of the list: one with a name of its own brings its scorer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { orderOf, ordered, orders } from "../../assets/page/grid/orders.js";

const scales = {
  influence: { says: "…", order: "What pays most first", sort: "score_high" },
  margin: { says: "…", order: "", sort: "score_low" },
};
const plain = { scorer: "", similar_to: "", words: "", low: null, high: null, sort: "arrival" };
const names = (filter, known = scales) => orders(filter, known).map(([, text]) => text);

test("what pays most first is offered where its score is there, whichever score is chosen", () => {
  assert.ok(names(plain).includes("What pays most first"));
  assert.ok(names({ ...plain, scorer: "margin" }).includes("What pays most first"));
  assert.ok(!names(plain, { margin: scales.margin }).includes("What pays most first"));
});

test("scores are an order where one is chosen, and have other names for likeness", () => {
  assert.ok(!names(plain).includes("Lowest score"));
  assert.ok(names({ ...plain, scorer: "margin" }).includes("Lowest score"));
  assert.ok(names({ ...plain, similar_to: "a" }).includes("Most similar"));
});

test("the choice brings scorer and order, without the limits of a likeness, and stays chosen", () => {
  const alike = { ...plain, similar_to: "a", low: 0.2 };
  const after = { ...alike, ...ordered("order:influence", alike, scales) };
  assert.deepEqual(after, { ...plain, scorer: "influence", sort: "score_high" });
  assert.equal(orderOf(after, scales), "order:influence");
  assert.equal(orderOf({ ...after, sort: "score_low" }, scales), "score_low");
  const limited = { ...plain, limits: [{ field: "score:margin", low: 0.2 }] };
  assert.deepEqual({ ...limited, ...ordered("order:influence", limited, scales) }.limits, limited.limits);
  assert.deepEqual(ordered("newest", after, scales), { sort: "newest" });
});

test("a filter whose scorer is gone, or is likeness, has a plain order", () => {
  assert.equal(orderOf({ ...plain, scorer: "influence", sort: "score_high" }, {}), "score_high");
  assert.equal(orderOf({ ...plain, scorer: "influence", similar_to: "a", sort: "score_high" }, scales), "score_high");
});
