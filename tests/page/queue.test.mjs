// Decisions on their way: in order, each stored once, none lost to a reload, a cut line or a bad neighbour.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

class Storage {
  #kept = new Map();
  getItem(key) {
    return this.#kept.get(key) ?? null;
  }
  setItem(key, value) {
    this.#kept.set(key, value);
  }
}

beforeEach(() => {
  globalThis.window = { addEventListener() {}, removeEventListener() {} };
  globalThis.sessionStorage = new Storage();
});

const { Queue } = await import("../../assets/page/grid/queue.js");
const { Refused } = await import("../../assets/page/shared/server.js");

/** A server that stores acts by id. `answers` says what to throw for a batch, if anything. */
class Server {
  stored = new Map();
  batches = [];
  constructor(answers = () => null) {
    this.answers = answers;
  }
  async say(_, { acts }) {
    this.batches.push(acts);
    const wrong = this.answers(acts, this.batches.length);
    if (wrong) throw wrong;
    for (const act of acts) this.stored.set(act.id, act);
    return {};
  }
}

const refusal = (status) => new Refused(status, { detail: "no" });
const accept = (image) => ({ verdict: "accept", images: [image] });

/** A queue, and what it says. */
function opened(server) {
  const told = [];
  return { queue: new Queue(server, "roses", (news) => told.push(news)), told };
}

async function until(holds) {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, "waited too long");
    await new Promise((done) => setTimeout(done, 5));
  }
}

test("acts reach the server in their order", async () => {
  const server = new Server();
  const { queue } = opened(server);
  for (const image of ["a", "b", "c"]) queue.add(accept(image));
  await until(() => server.stored.size === 3);
  assert.deepEqual(
    [...server.stored.values()].map((act) => act.images[0]),
    ["a", "b", "c"],
  );
});

test("a reload of the tab sends what was waiting, under the same ids", async () => {
  const cut = new Server(() => new Error("The server does not answer."));
  const before = opened(cut);
  before.queue.add(accept("a"));
  before.queue.add(accept("b"));
  await until(() => before.told.some((news) => news.type === "failing"));
  before.queue.close();
  const ids = before.queue.waiting.map((act) => act.id);
  const server = new Server();
  const after = opened(server);
  after.queue.start();
  await until(() => server.stored.size === 2);
  assert.deepEqual([...server.stored.keys()], ids);
  assert.deepEqual(after.queue.tab, before.queue.tab);
  assert.deepEqual(after.queue.waiting, []);
});

test("a cut line is tried again, and each act is stored once", async () => {
  const server = new Server((_, count) => (count < 3 ? new Error("The server does not answer.") : null));
  const { queue, told } = opened(server);
  queue.add(accept("a"));
  await until(() => server.stored.size === 1);
  assert.equal(told.filter((news) => news.type === "failing").length, 2);
  assert.equal(queue.error, "");
});

test("one refused act does not take the others with it, and cannot be undone", async () => {
  const server = new Server((acts) => (acts.some((act) => act.images?.[0] === "bad") ? refusal(400) : null));
  const { queue, told } = opened(server);
  queue.sending = true; // all of them wait until the last is there
  for (const image of ["a", "bad", "c"]) queue.add(accept(image));
  queue.sending = false;
  queue.start();
  await until(() => server.stored.size === 2 && !queue.waiting.length);
  assert.deepEqual(
    [...server.stored.values()].map((act) => act.images[0]),
    ["a", "c"],
  );
  assert.deepEqual(
    told.filter((news) => news.type === "refused").map((news) => news.batch[0].images[0]),
    ["bad"],
  );
  assert.equal(queue.undoable.length, 2);
});

test("a visitor who must sign in first loses nothing", async () => {
  let signedIn = false;
  const server = new Server(() => (signedIn ? null : refusal(401)));
  const { queue } = opened(server);
  queue.add(accept("a"));
  await until(() => queue.error);
  assert.equal(queue.waiting.length, 1);
  signedIn = true;
  await until(() => server.stored.size === 1);
});

test("undo shows what was there before, redo what was there after, and both are acts", async () => {
  const server = new Server();
  const { queue } = opened(server);
  queue.add({ verdict: "reject", images: ["a"] }, [["a", "accept", "rose"]]);
  assert.deepEqual(queue.undo(), [["a", "accept", "rose"]]);
  assert.deepEqual(queue.redo(), [["a", "reject", "rose"]]);
  assert.equal(queue.redo(), null);
  await until(() => server.stored.size === 3);
  const [first, second, third] = server.stored.values();
  assert.equal(second.undoes, first.id);
  assert.equal(third.undoes, second.id);
});

test("a request names no more than a thousand images, if it can", async () => {
  const server = new Server();
  const { queue } = opened(server);
  queue.sending = true;
  for (let act = 0; act < 4; act++) queue.add({ verdict: "accept", images: Array(400).fill(`${act}`) });
  queue.sending = false;
  queue.start();
  await until(() => server.stored.size === 4);
  assert.deepEqual(
    server.batches.map((batch) => batch.length),
    [2, 2],
  );
});
