// Why images were rejected, as far as it needs no browser: what is drawn, and what a press says.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./page.mjs";

const { Causes } = await import("../../assets/page/grid/causes.js");
const { Deciding } = await import("../../assets/page/grid/deciding.js");

const HOSTILE = "domain = <img src=x onerror=alert(1)>";
const CAUSE = {
  cause: [{ field: "domain", text: "<img src=x onerror=alert(1)>" }],
  says: HOSTILE,
  sentence: `81 % of rejects share ${HOSTILE}; 12 % of the rest do.`,
  counts: "13 of 16 rejects, 5 of 43 others looked at; p < 0.001",
  same: ["run = r1"],
  pending: 1200,
  fills: true,
};
const BRANCH = { cause: CAUSE.cause, says: HOSTILE, act: "one", standing: 1, fills: false };

function reviewed(answer = {}) {
  const added = [],
    said = [],
    used = [];
  const nothing = () => undefined;
  const review = {
    added,
    said,
    used,
    api: { ask: async () => answer },
    queue: { add: (act) => added.push(act) },
    redraw: nothing,
    status: { draw: nothing, say: (text) => said.push(text) },
    store: { query: { as_of: 1, upto: 9 }, asked: '{"as_of":1}' },
    use: (detail) => used.push(detail),
    view: { filter: { run: "r1", image_set: "" } },
  };
  review.deciding = new Deciding(review);
  review.causes = new Causes(review);
  return review;
}

const every = (node, tag) =>
  (node.children ?? []).flatMap((child) => [...(child.tag === tag ? [child] : []), ...every(child, tag)]);

test("what strangers wrote into a prompt stays text, and what nobody can act on is not announced", () => {
  const { causes } = reviewed();
  causes.show({ causes: [CAUSE, { ...CAUSE, pending: 0, fills: false }], branches: [] });
  const [sentence] = every(causes.element, "p");
  assert.equal(sentence.textContent, CAUSE.sentence);
  assert.equal(every(causes.element, "img").length, 0);
  assert.equal(causes.words, "1 cause of rejects");
  causes.show({ causes: [], branches: [] });
  assert.equal(causes.words, "");
  assert.equal(causes.element.hidden, true);
});

test("one press is one act about the whole branch of the view, and another takes a branch back", () => {
  const { added, causes } = reviewed();
  causes.show({ causes: [CAUSE], branches: [BRANCH] });
  const [reject, , back] = every(causes.element, "button");
  assert.equal(reject.textContent, "✕ Reject 1,200 pending");
  reject.listeners.click();
  back.listeners.click();
  assert.deepEqual(added, [
    { verdict: "reject", query: { as_of: 1, upto: 9 }, cause: CAUSE.cause, why: HOSTILE, run: "r1", image_set: "" },
    { undoes: "one" },
  ]);
});

test("how many images a branch was is said when it is stored", () => {
  const review = reviewed();
  Object.assign(review, { drawer: {}, grid: {} });
  Object.assign(review.store, { settle: () => undefined, learn: () => undefined, row: () => undefined });
  review.view.tally = () => undefined;
  const batch = [{ id: "a", cause: CAUSE.cause, why: "domain = toy" }];
  const answer = { outcomes: [{ changed: 1200, kept_elsewhere: 0 }], reset: false, rows: [] };
  review.deciding.heard({ type: "stored", batch, answer });
  assert.deepEqual(review.said, ["1,200 images rejected: domain = toy. Undo takes all of them back."]);
});
