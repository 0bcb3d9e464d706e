// Asking the server: the project in every address, a no in its own words, no answer, and the sign-in that was lost.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

globalThis.location = { search: "?project=roses%20%26%20more&tab=data" };
const { Away, BASE, Refused, get, heard, post } = await import("../../assets/page/shared/server.js");

let asked;
const answer = (status, body) => {
  globalThis.fetch = async (address, options) => {
    asked.push({ address, ...options });
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
  };
};
const trouble = (promise) => promise.then(assert.fail, (error) => error);

beforeEach(() => {
  asked = [];
});

test("every question is about the project of the page's address", async () => {
  answer(200, { runs: [] });
  assert.deepEqual(await get("/runs", { limit: 2, what: "a&b" }), { runs: [] });
  assert.equal(BASE, "/studio/@roses%20%26%20more");
  assert.equal(asked[0].address, `${BASE}/runs?limit=2&what=a%26b`);
});

test("a log is read as it is", async () => {
  answer(200, "one\ntwo");
  assert.equal(await get("/log", {}, { as: "text" }), "one\ntwo");
});

test("what is said is JSON, and a file is sent as it is", async () => {
  answer(200, {});
  await post("/runs/stop", { run: 7 });
  const file = new Blob(["pixels"]);
  await post("/uploads", file);
  assert.deepEqual(JSON.parse(asked[0].body), { run: 7 });
  assert.equal(asked[0].headers["content-type"], "application/json");
  assert.equal(asked[1].body, file);
  assert.equal(asked[1].headers, undefined);
});

test("a no keeps the server's words and the fields that they are about", async () => {
  answer(422, { detail: "Name: write one.", fields: { name: "Name: write one." } });
  const no = await trouble(post("/things/name", {}));
  assert.ok(no instanceof Refused);
  assert.equal(no.message, "Name: write one.");
  assert.deepEqual(no.fields, { name: "Name: write one." });
  assert.equal(no.final, true);
});

test("a no without words is told by its number", async () => {
  answer(500, { detail: [{ loc: ["body"] }] });
  const no = await trouble(get("/state"));
  assert.equal(no.message, "The server answered 500.");
  assert.equal(no.final, false);
});

test("a sign-in that was lost is a no that says how to sign in", async () => {
  answer(401, { detail: "Sign in to work here.", error: "Sign in to work here." });
  const no = await trouble(get("/state"));
  assert.deepEqual([no.status, no.message], [401, "Sign in to work here."]);
});

test("no answer, and a page that is none of ours, are no refusals", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  const gone = await trouble(post("/runs/stop"));
  assert.ok(gone instanceof Away);
  assert.equal(gone.message, "The server cannot be reached. It was not done.");
  answer(502, "<h1>starting</h1>");
  const starting = await trouble(get("/state"));
  assert.ok(starting instanceof Away);
  assert.equal(starting.status, 502);
});

test("who watches the state hears of everything that was said, but not of files and of what is quiet", async () => {
  let count = 0;
  heard.addEventListener("posted", () => (count += 1));
  answer(200, {});
  await post("/runs/stop");
  await post("/review/decide", {}, { quiet: true });
  await post("/uploads", new Blob([]));
  answer(409, { detail: "no" });
  await trouble(post("/runs/stop"));
  assert.equal(count, 2);
});
