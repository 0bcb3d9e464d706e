import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, standing, sum } from "../../assets/page/tabs/until_words.js";

const asked = { wanted: 8, budget: 1200 };

test("all classes together say what is accepted, made and the most that may be made", () => {
  const said = sum({ ...asked, accepted: 23, made: 1045, all: 10 });
  assert.equal(said, "23 of 80 accepted · 1,045 of at most 12,000 images made");
});

test("a class says what is accepted of what is wanted, never more, its share and what is left", () => {
  assert.deepEqual(cells({ made: 200, passed: 7 }, asked), ["7 of 8", "200", "4 %", "1,000"]);
  assert.deepEqual(cells({ made: 16, passed: 12 }, asked), ["8 of 8", "16", "75 %", "1,184"]);
  assert.deepEqual(cells({ made: 0, passed: 0 }, asked), ["0 of 8", "0", "–", "1,200"]);
});

test("a class is complete, short when its budget is used up, and open until then", () => {
  assert.equal(standing({ made: 1200, passed: 8 }, asked), "complete");
  assert.equal(standing({ made: 1200, passed: 7 }, asked), "short");
  assert.equal(standing({ made: 1199, passed: 7 }, asked), "open");
});
