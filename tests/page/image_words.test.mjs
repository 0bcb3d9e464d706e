import assert from "node:assert/strict";
import { test } from "node:test";
import { offers, verdict } from "../../assets/page/tabs/image_words.js";

test("an image of ours is used whole and made again, unless something is missing", () => {
  const ours = { kind: "sample.text", form: {}, lacking: [], prompt: "a cat" };
  assert.deepEqual(offers(ours), { seed: true, prompt: true, again: true, why: "" });
  const without = offers({ ...ours, lacking: ["The adapter is not in this project."] });
  assert.equal(without.again, false);
  assert.match(without.why, /cannot be made again here. The adapter/);
});

test("of another tool's image there is what it says, and it is not made again", () => {
  const theirs = { kind: null, form: { prompt: "x" }, lacking: ["no step"], prompt: "x" };
  assert.deepEqual(offers(theirs), { seed: false, prompt: true, again: false, why: "" });
});

test("the verdict says whether the bytes are the same", () => {
  const done = { state: "done", error: "", digest: "ab", same: true };
  assert.match(verdict(done), /very same bytes/);
  assert.match(verdict({ ...done, same: false }), /bytes differ/);
  assert.equal(verdict({ state: "failed", error: "No memory.", digest: "", same: false }), "No memory.");
});
