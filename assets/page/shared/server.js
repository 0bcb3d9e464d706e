// Asking the server: one way to read, one way to say something, and two kinds of trouble, a no and no answer.

/** The project of this page, as its address names it: the server leads every page to one that has it. */
export const PROJECT = new URLSearchParams(globalThis.location?.search).get("project") || "";

/** Whatever is asked below this is about that project. */
export const BASE = PROJECT ? `/studio/@${encodeURIComponent(PROJECT)}` : "/studio";

/** Hears `posted` when the server has answered something that may have changed what it does. */
export const heard = new EventTarget();

/** The server's no. `message` is a sentence to show, `said` the server's own words (or nothing), `fields` those words by
 * the fields that they are about. A status of 401 says that the sign-in was lost. */
export class Refused extends Error {
  constructor(status, { detail, error = detail, fields = {} } = {}) {
    const said = typeof error === "string" ? error : "";
    super(said || `The server answered ${status}.`);
    Object.assign(this, { status, said, fields });
  }
  /** Whether the same would be refused again. */
  get final() {
    return this.status < 500 && this.status !== 429 && (this.status !== 404 || this.said !== "");
  }
}

/** No answer, or (with a `status`) one that is none of ours, such as the page of a server that is starting. */
export class Away extends Error {
  constructor(status = 0) {
    super(status ? `The server answered ${status}.` : "The server cannot be reached. It was not done.");
    this.status = status;
  }
}

/** What the server says at a path below `BASE`: JSON, plain text or bytes. Throws Refused or Away. */
export function get(path, parameters = {}, { as = "json", timeout = 0 } = {}) {
  const wanted = new URLSearchParams(parameters).toString();
  return answered(BASE + path + (wanted && `?${wanted}`), { signal: patience(timeout) }, as);
}

/** Say something to the server, as JSON, or send it a file; returns its JSON. Throws Refused or Away. `quiet`: nothing
 * that the page watches can have changed. */
export async function post(path, body = {}, { quiet = false, timeout = 0 } = {}) {
  const file = body instanceof Blob;
  const asked = file ? { body } : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  try {
    return await answered(BASE + path, { method: "POST", ...asked, signal: patience(timeout) }, "json");
  } finally {
    if (!quiet && !file) heard.dispatchEvent(new Event("posted"));
  }
}

const patience = (milliseconds) => (milliseconds ? AbortSignal.timeout(milliseconds) : undefined);

async function answered(address, options, as) {
  let answer, text;
  try {
    answer = await fetch(address, options);
    if (answer.ok && as === "bytes") return await answer.arrayBuffer();
    text = await answer.text();
  } catch {
    throw new Away();
  }
  if (answer.ok && as === "text") return text;
  const found = parsed(text);
  if (found === undefined) throw new Away(answer.status);
  if (!answer.ok) throw new Refused(answer.status, found ?? {});
  return found;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
