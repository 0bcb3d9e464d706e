// What a view knows of its images: decisions on their way on top of those the server has committed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../../assets/page/grid/store.js";

const PAGE = 200;

/** A server with so many images; it counts the pages it was asked for. */
class Server {
  asked = [];
  constructor(total, seq = 1) {
    this.rows = Array.from({ length: total }, (_, n) => [`image ${n}`, "rose", "drawn", null, "", seq, n / total]);
  }
  async insist(_, { start, count }) {
    this.asked.push(start);
    return this.rows.slice(start, start + count);
  }
}

async function shown(total) {
  const server = new Server(total);
  const store = new Store(server, () => {});
  store.use({}, total);
  return { store, server };
}

test("a page is fetched once, however many of its images are asked for", async () => {
  const { store, server } = await shown(500);
  assert.equal(store.row(250), undefined);
  store.row(251);
  assert.equal((await store.rowWhenThere(399)).digest, "image 399");
  assert.deepEqual(server.asked, [PAGE]);
  assert.equal(store.placeOf("image 250"), 250);
  assert.equal(store.row(500), undefined);
  assert.equal(store.row(-1), undefined);
});

test("a decision shows before it is committed, and goes when it is refused", async () => {
  const { store } = await shown(3);
  const row = await store.rowWhenThere(0);
  store.expect("act 1", [["image 0", "relabel", "tulip"]]);
  assert.deepEqual(store.shown(row), {
    verdict: "relabel",
    label: "tulip",
    moved: true,
    waiting: true,
    problem: undefined,
  });
  store.problem(["act 1"], "no such class");
  store.settle(["act 1"]);
  assert.deepEqual(store.shown(row), {
    verdict: null,
    label: "rose",
    moved: false,
    waiting: false,
    problem: "no such class",
  });
});

test("the later of two decisions on their way is the one that shows", async () => {
  const { store } = await shown(3);
  const row = await store.rowWhenThere(0);
  store.expect("act 1", [["image 0", "accept", ""]]);
  store.expect("act 2", [["image 0", "reject", ""]]);
  assert.equal(store.shown(row).verdict, "reject");
  store.settle(["act 2"]);
  assert.equal(store.shown(row).verdict, "accept");
});

test("older news of an image never replaces newer", async () => {
  const { store } = await shown(3);
  const row = await store.rowWhenThere(0);
  store.learn([["image 0", "accept", "", 5]]);
  store.learn([["image 0", "reject", "", 4]]);
  assert.equal(row.verdict, "accept");
});

test("pages of another view that arrive late are not shown", async () => {
  const { store, server } = await shown(3);
  const arrive = [];
  server.insist = () => new Promise((answer) => arrive.push(answer));
  store.row(0);
  store.use({ label: "tulip" }, 1);
  store.row(0);
  arrive[1]([["image 9", "tulip", "drawn", null, "", 1, 0]]);
  await new Promise((done) => setTimeout(done, 5));
  arrive[0]([["image 0", "rose", "drawn", null, "", 1, 0]]);
  await new Promise((done) => setTimeout(done, 5));
  assert.equal(store.row(0).digest, "image 9");
});

test("of a long walk only the last pages are kept", async () => {
  const { store } = await shown(100 * PAGE);
  for (let page = 0; page < 100; page++) await store.rowWhenThere(page * PAGE);
  assert.ok(store.pages.size <= 61 && store.known.size <= 61 * PAGE);
  assert.equal(store.placeOf(`image ${99 * PAGE}`), 99 * PAGE);
});
