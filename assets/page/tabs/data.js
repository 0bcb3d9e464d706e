// Data: drop folders, a zip, loose files or a table; see what an import would bring; only then keep anything.
import { choose } from "../shared/choices.js";
import { button, dropZone, fill, h, inSight, render, sleep, text } from "../shared/dom.js";
import { get, post } from "../shared/server.js";
import { Asking } from "../shared/state.js";
import { say, tell, wordsOf } from "../shared/say.js";
import { ofProject } from "../shared/storage.js";
import { DryRun } from "./dry_run.js";
import { overview } from "./photos.js";

const AT_ONCE = 4;
const UPLOAD = ofProject("upload"); // the upload that waits, in this tab

const card = (...content) => h("div", { class: "ss-card" }, ...content);

/** The files of a dropped entry as [path, file]: a folder is read entry by entry, at most a hundred at a time. */
async function walk(entry, prefix = "") {
  if (entry.isFile) return [[prefix + entry.name, await new Promise((done, failed) => entry.file(done, failed))]];
  const reader = entry.createReader(),
    found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await walk(one, `${prefix}${entry.name}/`)));
  }
}

const hidden = ([name]) => name.split("/").some((part) => part.startsWith("."));

class Data extends Asking {
  every = 2500;
  failed = []; // files that could not be sent: [name, why]
  named = ""; // what the photos are to be called

  build() {
    this.files = h("input", {
      type: "file",
      multiple: true,
      hidden: true,
      id: "ss-files",
      "aria-label": "files",
      onchange: () => this.send([...this.files.files].map((file) => [file.name, file])),
    });
    this.folder = h("input", {
      type: "file",
      webkitdirectory: true,
      hidden: true,
      id: "ss-folder",
      "aria-label": "folder",
      onchange: () => this.send([...this.folder.files].map((file) => [file.webkitRelativePath || file.name, file])),
    });
    const zone = dropZone(
      { class: "ss-drop", tabindex: 0, role: "group", "aria-label": "Drop photos here" },
      (data) => this.dropped([...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)),
      h("h2", {}, "Drop your photos here"),
      h(
        "p",
        { class: "ss-muted" },
        "Folders named after their classes, a zip of them, a parquet table, or loose pictures, one class " +
          "after another: each drop is added, and you name the class of loose ones. Phone photos (HEIC) and " +
          "pasted pictures work too. You will see what would happen before anything is kept.",
      ),
      h(
        "span",
        { class: "ss-buttons" },
        button("Choose a folder", () => this.folder.click(), "strong"),
        button("Choose files", () => this.files.click()),
        this.files,
        this.folder,
      ),
    );
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files || [])];
      if (files.length && inSight(this))
        this.send(files.map((file, at) => [`pasted-${Date.now()}-${at}-${file.name}`, file]));
    });
    this.place = h("div", { role: "region", "aria-label": "what an import would bring", "aria-live": "polite" });
    this.have = h("div");
    this.append(zone, this.place, this.have);
    if (this.upload) this.follow(this.upload).catch(() => (this.upload = null));
  }
  get upload() {
    return sessionStorage.getItem(UPLOAD);
  }
  set upload(token) {
    if (token) sessionStorage.setItem(UPLOAD, token);
    else sessionStorage.removeItem(UPLOAD);
  }
  async look() {
    render(this.have, await get("/data"), overview);
  }

  // ---- sending
  async dropped(entries) {
    const found = [];
    for (const entry of entries) found.push(...(await walk(entry)));
    this.send(found);
  }
  async send(all) {
    const found = all.filter((one) => !hidden(one));
    if (!found.length || this.sending) return;
    this.sending = true;
    try {
      await this.sendAll(found);
    } catch (error) {
      wordsOf(error);
      say("Sending stopped. Drop the files again.");
      fill(this.place);
    } finally {
      this.sending = false;
      this.files.value = this.folder.value = "";
    }
  }
  async sendAll(found) {
    const words = h("p", { class: "ss-number" }),
      meter = h("progress", { max: found.length, value: 0, style: "width:100%", "aria-label": "upload" });
    fill(this.place, card(h("h3", {}, "Sending"), words, meter));
    const token = await this.waiting();
    if (!token) {
      fill(this.place);
      return;
    }
    const left = found.values(),
      failed = [];
    let done = 0;
    const lane = async () => {
      for (const [name, file] of left) {
        const why = await sendFile(token, name, file);
        if (why) failed.push([name, why]);
        meter.value = ++done;
        text(words, `${done} of ${found.length} files`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    this.failed = failed;
    if (failed.length === found.length && !this.upload) {
      const [name, why] = failed[0];
      fill(
        this.place,
        card(h("h3", {}, "Nothing could be sent"), h("div", { class: "ss-badline" }, `${name}: ${why}`)),
      );
      return;
    }
    this.upload = token;
    if (!(await this.check(token))) fill(this.place);
  }
  /** The upload that waits, if there is one: a drop adds to it. Else a new one. */
  async waiting() {
    const token = this.upload;
    if (token) {
      const known = await get(`/uploads/${token}`).catch((error) => wordsOf(error) && null);
      if (known) return token;
    }
    this.upload = null;
    return (await tell("/uploads/new"))?.token;
  }
  /** Have every file looked at, and show what was found; false where that was refused. */
  async check(token, ask = tell, label = "") {
    if (!(await ask(`/uploads/${token}/check`, { label }))) return false;
    await this.follow(token);
    return true;
  }
  async follow(token) {
    const turn = (this.turn = {});
    for (;;) {
      const found = await get(`/uploads/${token}`);
      if (this.turn !== turn) return; // a later drop is followed
      if (found.state === "checked") {
        fill(this.place, new DryRun(this, token, found.report).root);
        return;
      }
      fill(this.place, looking(found));
      await sleep(400);
    }
  }

  // ---- the dry run
  async startOver(token) {
    this.turn = null;
    this.failed = [];
    this.upload = null;
    fill(this.place);
    await tell(`/uploads/${token}/discard`);
  }
  /** After the import was asked for, until it has ended: then it is said, with what comes next. */
  async importing({ run, data }) {
    this.upload = null;
    this.named = "";
    this.failed = [];
    this.again();
    const words = h("span", { role: "status" }, "Importing… ");
    fill(this.place, card(h("p", {}, words)));
    for (;;) {
      const found = await get(`/runs/${encodeURIComponent(run)}`).catch((error) => wordsOf(error) && null);
      if (found?.state === "done") break;
      if (["failed", "lost", "stopped"].includes(found?.state)) {
        fill(this.place); // its card below says why
        return;
      }
      await sleep(500);
    }
    text(words, "Imported. Next: ");
    words.after(button("choose a recipe", () => choose({ "ss-data": data }, "start"), "strong"));
    this.again();
  }
}

/** Send one file of an upload; returns why not, if not. */
async function sendFile(token, name, file) {
  try {
    await post(`/uploads/${token}/files?name=${encodeURIComponent(name)}`, file);
    return "";
  } catch (error) {
    wordsOf(error);
    if (error.said) return error.said;
    if (error.status === 413) return "is too large to send";
    return error.status ? `answer ${error.status}` : "the connection broke";
  }
}

const looking = ({ done, total }) =>
  card(
    h("h3", {}, "Looking at every file"),
    h("p", { class: "ss-number" }, total ? `${done} of ${total}` : "…"),
    h("progress", {
      max: total || 1,
      value: done || 0,
      style: "width:100%",
      "aria-label": "looking at the files",
    }),
  );

customElements.define("studio-data", Data);
