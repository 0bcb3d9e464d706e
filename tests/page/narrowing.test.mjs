// Filters of the review tab, as far as they need no browser: what a chip takes away, and what a limit replaces.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";

const { taken } = await import("../../assets/page/grid/chips.js");
const { NOTHING } = await import("../../assets/page/grid/filters.js");
const { limited } = await import("../../assets/page/grid/narrowing.js");
const { left } = await import("../../assets/page/grid/range.js");
const { same } = await import("../../assets/page/grid/saved_views.js");

const guided = { field: "guidance_scale", low: 2 };

test("a field has one limit, which goes when it limits nothing", () => {
  const both = limited([guided], { field: "sampler", any_of: ["ddim"] });
  assert.deepEqual(both, [guided, { field: "sampler", any_of: ["ddim"] }]);
  assert.deepEqual(limited(both, { field: "sampler", any_of: [] }), [guided]);
  assert.deepEqual(limited(both, { field: "guidance_scale", low: null, high: 3 })[1].high, 3);
  assert.deepEqual(limited([guided], { field: "guidance_scale", low: null, high: null }), []);
  assert.deepEqual(limited([], { field: "strength", low: 0, high: null }), [{ field: "strength", low: 0, high: null }]);
});

test("the cross of a chip takes away what the chip says and nothing else", () => {
  const filter = { ...NOTHING, labels: ["3"], relabelled: true, limits: [guided, { field: "seed", any_of: ["7"] }] };
  assert.deepEqual({ ...filter, ...taken(filter, "labels") }, { ...filter, labels: [] });
  assert.deepEqual({ ...filter, ...taken(filter, "standings") }, { ...filter, relabelled: false });
  assert.deepEqual({ ...filter, ...taken(filter, "seed") }, { ...filter, limits: [guided] });
});

test("what a range leaves is told with what has no number", () => {
  assert.equal(left({ inside: 1204, whole: 3000, none: 61 }, "t0"), "1,204 of 3,000 images stay; 61 have no t0");
  assert.equal(left({ inside: 1, whole: 1, none: 0 }, "t0"), "1 of 1 image stays");
  assert.equal(left({ inside: 0, whole: 2, none: 1 }, "t0"), "0 of 2 images stay; 1 has no t0");
});

test("two filters with the same limits in another order show the same", () => {
  const seed = { field: "seed", any_of: ["7"] };
  assert.ok(same({ ...NOTHING, limits: [guided, seed] }, { ...NOTHING, limits: [seed, guided] }));
  assert.ok(!same({ ...NOTHING, limits: [guided] }, NOTHING));
});

const { tagsOf } = await import("../../assets/page/grid/tags.js");

test("tags stand between commas, once each, and too much is refused with a reason", () => {
  assert.deepEqual(tagsOf(" to  keep,, blurry ,to keep"), [["to keep", "blurry"], ""]);
  assert.deepEqual(tagsOf(" , ")[0], []);
  assert.match(tagsOf("x".repeat(61))[1], /60 characters/);
  assert.match(tagsOf([...Array(21).keys()].join(","))[1], /At most 20/);
});
