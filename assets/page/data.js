// Data: drop folders, a zip, loose files or a table; see what an import would bring; only then keep anything.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, kept, choose, el, text, post, say, Part, Answers, many, progressWords, go } = window.studio;
    const get = async (path) => {
      const answer = await fetch(BASE + path);
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    };
    const AT_ONCE = 4,
      UPLOAD = kept("upload");
    const LEVELS = { ok: "Good", warn: "Note", block: "Problem" };
    const ACTIONS = {
      recipe: ["Choose a recipe", () => go("start")],
      add: [
        "Add photos",
        () => {
          const zone = document.querySelector("studio-data .ss-drop");
          zone.scrollIntoView({ behavior: "smooth", block: "center" });
          zone.focus();
        },
      ],
    };
    const badge = (one) => {
      const [words, act] = ACTIONS[one.action] || [];
      return el(
        "div",
        {},
        el("span", { class: "ss-state", "data-state": one.level }, LEVELS[one.level]),
        el("span", {}, one.text),
        words ? el("button", { type: "button", class: "ss-link", onclick: act }, words) : null,
      );
    };

    // A dropped folder is read entry by entry; readEntries gives at most a hundred at a time.
    const walk = async (entry, prefix = "") => {
      if (entry.isFile) return [[prefix + entry.name, await new Promise((done, failed) => entry.file(done, failed))]];
      const reader = entry.createReader(),
        found = [];
      for (;;) {
        const some = await new Promise((done, failed) => reader.readEntries(done, failed));
        if (!some.length) return found;
        for (const one of some) found.push(...(await walk(one, `${prefix}${entry.name}/`)));
      }
    };

    class Data extends Part {
      build() {
        this.files = el("input", { type: "file", multiple: true, hidden: true, id: "ss-files", "aria-label": "files" });
        this.folder = el("input", {
          type: "file",
          webkitdirectory: true,
          hidden: true,
          id: "ss-folder",
          "aria-label": "folder",
        });
        this.files.addEventListener("change", () => this.send([...this.files.files].map((file) => [file.name, file])));
        this.folder.addEventListener("change", () =>
          this.send([...this.folder.files].map((file) => [file.webkitRelativePath || file.name, file])),
        );
        const zone = el(
          "div",
          { class: "ss-drop", tabindex: 0, role: "group", "aria-label": "Drop photos here" },
          el("h2", {}, "Drop your photos here"),
          el(
            "p",
            { class: "ss-muted" },
            "Folders named after their classes, a zip of them, a parquet table, or loose pictures, one class " +
              "after another: each drop is added, and you name the class of loose ones. Phone photos (HEIC) and " +
              "pasted pictures work too. You will see what would happen before anything is kept.",
          ),
          el(
            "span",
            { class: "ss-buttons" },
            el(
              "button",
              { type: "button", class: "ss-button strong", onclick: () => this.folder.click() },
              "Choose a folder",
            ),
            el("button", { type: "button", class: "ss-button", onclick: () => this.files.click() }, "Choose files"),
            this.files,
            this.folder,
          ),
        );
        zone.addEventListener("dragover", (event) => {
          event.preventDefault();
          zone.classList.add("over");
        });
        zone.addEventListener("dragleave", () => zone.classList.remove("over"));
        zone.addEventListener("drop", async (event) => {
          event.preventDefault();
          zone.classList.remove("over");
          const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean),
            found = [];
          for (const entry of entries) found.push(...(await walk(entry)));
          this.send(found);
        });
        this.pasted = (event) => {
          const files = [...(event.clipboardData?.files || [])];
          if (files.length && this.offsetParent !== null)
            this.send(files.map((file, place) => [`pasted-${Date.now()}-${place}-${file.name}`, file]));
        };
        document.addEventListener("paste", this.pasted);
        this.look = el("div", { role: "region", "aria-label": "what an import would bring", "aria-live": "polite" });
        this.have = el("div");
        this.append(zone, this.look, this.have);
        const token = sessionStorage.getItem(UPLOAD);
        if (token) this.follow(token).catch(() => sessionStorage.removeItem(UPLOAD));
      }
      async draw() {
        if (this.offsetParent === null || this.busy || Date.now() - (this.loaded || 0) < 2500) return;
        this.busy = true;
        this.loaded = Date.now();
        try {
          const found = await get("/data"),
            key = JSON.stringify(found);
          if (key !== this.key) {
            this.key = key;
            this.overview(found);
          }
        } catch {
          /* the bar says so */
        } finally {
          this.busy = false;
        }
      }

      // ---- sending
      async send(found) {
        found = found.filter(([name]) => !name.split("/").some((part) => part.startsWith(".")));
        if (!found.length || this.sending) return;
        this.sending = true;
        const words = el("p", { class: "ss-number" }),
          meter = el("progress", { max: found.length, value: 0, style: "width:100%", "aria-label": "upload" });
        this.look.replaceChildren(el("div", { class: "ss-card" }, el("h3", {}, "Sending"), words, meter));
        try {
          const token = await this.place();
          if (!token) {
            this.look.replaceChildren();
            return;
          }
          let next = 0,
            done = 0;
          const failed = [];
          const lane = async () => {
            while (next < found.length) {
              const [name, file] = found[next++];
              const answer = await fetch(`${BASE}/uploads/${token}/files?name=${encodeURIComponent(name)}`, {
                method: "POST",
                body: file,
              }).catch(() => null);
              if (!answer?.ok)
                failed.push([
                  name,
                  answer
                    ? (await answer.json().catch(() => ({}))).detail ||
                      (answer.status === 413 ? "is too large to send" : `answer ${answer.status}`)
                    : "the connection broke",
                ]);
              meter.value = ++done;
              text(words, `${done} of ${found.length} files`);
            }
          };
          await Promise.all(Array.from({ length: AT_ONCE }, lane));
          this.failed = failed;
          if (failed.length === found.length && !sessionStorage.getItem(UPLOAD)) {
            this.refusedAll(failed);
            return;
          }
          sessionStorage.setItem(UPLOAD, token);
          if (!(await post(`/uploads/${token}/check`, { label: "" }))) {
            this.look.replaceChildren();
            return;
          }
          await this.follow(token);
        } catch {
          say("Sending stopped. Drop the files again.");
          this.look.replaceChildren();
        } finally {
          this.sending = false;
          this.files.value = this.folder.value = "";
        }
      }
      // The upload that waits, if there is one: a drop adds to it. Else a new one.
      async place() {
        const token = sessionStorage.getItem(UPLOAD);
        if (token && (await fetch(`${BASE}/uploads/${token}`)).ok) return token;
        sessionStorage.removeItem(UPLOAD);
        return (await post("/uploads/new"))?.token;
      }
      refusedAll(failed) {
        this.look.replaceChildren(
          el(
            "div",
            { class: "ss-card" },
            el("h3", {}, "Nothing could be sent"),
            el("div", { class: "ss-badline" }, `${failed[0][0]}: ${failed[0][1]}`),
          ),
        );
      }
      async follow(token) {
        const turn = (this.turn = {});
        for (;;) {
          const found = await get(`/uploads/${token}`);
          if (this.turn !== turn) return; // a later drop is followed
          if (found.state === "checked") {
            this.report(token, found.report);
            return;
          }
          this.look.replaceChildren(
            el(
              "div",
              { class: "ss-card" },
              el("h3", {}, "Looking at every file"),
              el("p", { class: "ss-number" }, found.total ? `${found.done} of ${found.total}` : "…"),
              el("progress", {
                max: found.total || 1,
                value: found.done || 0,
                style: "width:100%",
                "aria-label": "looking at the files",
              }),
            ),
          );
          await new Promise((done) => setTimeout(done, 400));
        }
      }

      // ---- the dry run
      async startOver(token) {
        this.turn = null;
        this.failed = [];
        sessionStorage.removeItem(UPLOAD);
        this.look.replaceChildren();
        await post(`/uploads/${token}/discard`);
      }
      // Take a file or a class out, then look again; an upload without files is none.
      remover(token, words, what) {
        return el(
          "button",
          {
            type: "button",
            class: "ss-link",
            "aria-label": words,
            title: words,
            onclick: async (event) => {
              event.target.disabled = true;
              const done = await post(`/uploads/${token}/remove`, what);
              if (!done) {
                event.target.disabled = false;
                return;
              }
              if (!done.left) {
                await this.startOver(token);
                return;
              }
              if (await post(`/uploads/${token}/check`, { label: "" })) await this.follow(token);
            },
          },
          "Remove",
        );
      }
      report(token, found) {
        const drop = el(
          "button",
          { type: "button", class: "ss-button", onclick: () => this.startOver(token) },
          "Start over",
        );
        if (found.error) {
          this.look.replaceChildren(
            el(
              "div",
              { class: "ss-card" },
              el("h3", {}, "This cannot be imported"),
              el("div", { class: "ss-badline", role: "alert" }, found.error),
              drop,
            ),
          );
          return;
        }
        const title = el("input", {
            class: "ss-input",
            id: "ss-title",
            value: this.title || "My photos",
            maxlength: 80,
          }),
          keep = el(
            "button",
            { type: "button", class: "ss-button strong", id: "ss-import", disabled: !found.images },
            `Import ${many(found.images, "photo")}`,
          );
        const label = el("input", {
          class: "ss-input",
          id: "ss-loose",
          "aria-label": "class of the loose files",
          placeholder: "name of their class",
          maxlength: 120,
          list: "ss-classes",
        });
        const answers = new Answers("import", { title, label });
        title.addEventListener("input", () => {
          this.title = title.value;
        });
        keep.addEventListener("click", async () => {
          if (!title.value.trim()) {
            const words = "Name: give these photos one, to find them again.";
            answers.refuse(words, { title: words });
            return;
          }
          keep.disabled = true;
          const done = await answers.ask(`/uploads/${token}/confirm`, { title: title.value });
          if (done) {
            sessionStorage.removeItem(UPLOAD);
            this.title = "";
            this.failed = [];
            this.loaded = 0;
            this.draw();
            await this.importing(done);
          } else keep.disabled = false;
        });
        const name = async () => {
          if (!label.value.trim()) {
            const words = "Class of the loose files: write its name first.";
            answers.refuse(words, { label: words });
            return;
          }
          if (await answers.ask(`/uploads/${token}/check`, { label: label.value })) await this.follow(token);
        };
        label.addEventListener("keydown", (event) => {
          if (event.key === "Enter") name();
        });
        this.look.replaceChildren(
          el(
            "div",
            { class: "ss-card", id: "ss-dryrun" },
            ...[
              el("h2", {}, "What an import would bring"),
              el("p", { class: "ss-muted" }, "Nothing is kept yet. Drop more photos above to add them."),
              found.copies ? el("p", { class: "ss-muted" }, found.copies) : null,
              found.homeless
                ? el(
                    "div",
                    { class: "ss-loosebox" },
                    el(
                      "p",
                      {},
                      `${found.homeless === 1 ? "1 file has" : `${found.homeless} files have`} no class yet. ` +
                        "What do they show?",
                    ),
                    el(
                      "div",
                      { class: "ss-buttons" },
                      el(
                        "div",
                        {},
                        label,
                        el(
                          "datalist",
                          { id: "ss-classes" },
                          ...found.classes.map((one) => el("option", { value: one.label })),
                        ),
                      ),
                      el(
                        "button",
                        { type: "button", class: "ss-button strong", onclick: name },
                        "Put them in this class",
                      ),
                    ),
                  )
                : null,
              el(
                "div",
                { class: "ss-badges" },
                ...[...found.badges, ...this.unsent()].map((one) => badge({ ...one, action: "" })),
              ),
              this.archives(token, found.archives),
              this.classes(token, found.classes),
              this.refused(found, token),
              answers.root,
              el(
                "div",
                { class: "ss-importbar" },
                el("label", { for: "ss-title" }, "Name "),
                el("div", {}, title),
                keep,
                drop,
              ),
            ].filter(Boolean),
          ),
        );
      }
      classes(token, classes) {
        if (!classes.length) return null;
        const most = Math.max(...classes.map((one) => one.images));
        return el(
          "div",
          { class: "ss-scroll" },
          el(
            "table",
            { class: "ss-table" },
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                el("th", {}, "Class"),
                el("th", { class: "n" }, "Photos"),
                el("th", { class: "ss-wide" }, "Share"),
                el("th", {}, "Some of them"),
                el("td", {}),
              ),
            ),
            el(
              "tbody",
              {},
              ...classes.map((one) =>
                el(
                  "tr",
                  {},
                  el("td", {}, one.label),
                  el("td", { class: "n" }, String(one.images)),
                  el(
                    "td",
                    { class: "ss-wide" },
                    el("progress", { max: most, value: one.images, "aria-label": many(one.images, "photo") }),
                  ),
                  el(
                    "td",
                    {},
                    el("span", { class: "ss-pics" }, ...one.pictures.map((src) => el("img", { src, alt: "" }))),
                  ),
                  el(
                    "td",
                    {},
                    one.loose ? this.remover(token, `Remove the class ${one.label}`, { label: one.label }) : "",
                  ),
                ),
              ),
            ),
          ),
        );
      }
      archives(token, names) {
        if (!names.length) return null;
        return el(
          "ul",
          { class: "ss-archives", "aria-label": "zips and tables" },
          ...names.map((name) => el("li", {}, name, " ", this.remover(token, `Remove ${name}`, { name }))),
        );
      }
      // Until the import has ended: then it is said, with what comes next.
      async importing({ run, data }) {
        const words = el("span", { role: "status" }, "Importing… ");
        this.look.replaceChildren(el("div", { class: "ss-card" }, el("p", {}, words)));
        for (;;) {
          const found = await get(`/runs/${encodeURIComponent(run)}`).catch(() => null);
          if (found?.state === "done") break;
          if (["failed", "lost", "stopped"].includes(found?.state)) {
            this.look.replaceChildren();
            return;
          } // its card below says why
          await new Promise((next) => setTimeout(next, 500));
        }
        text(words, "Imported. Next: ");
        words.after(
          el(
            "button",
            { type: "button", class: "ss-button strong", onclick: () => choose({ "ss-data": data }, "start") },
            "choose a recipe",
          ),
        );
        this.loaded = 0;
        this.draw();
      }
      unsent() {
        const failed = this.failed || [];
        return failed.length
          ? [
              {
                level: "warn",
                text: `${failed.length === 1 ? "1 file was" : `${failed.length} files were`} not sent (${failed[0][0]}: ${failed[0][1]}).`,
              },
            ]
          : [];
      }
      refused(found, token) {
        if (!found.refused_count) return null;
        return el(
          "details",
          { open: found.refused_count <= 12 },
          el("summary", {}, `${many(found.refused_count, "file")} not used`),
          el(
            "div",
            { class: "ss-scroll" },
            el(
              "table",
              { class: "ss-table" },
              el("thead", {}, el("tr", {}, el("th", {}, "File"), el("th", {}, "Why"), token ? el("td", {}) : null)),
              el(
                "tbody",
                {},
                ...found.refused.map((one) =>
                  el(
                    "tr",
                    {},
                    el("td", {}, one.name),
                    el("td", {}, one.reason),
                    token
                      ? el("td", {}, one.loose ? this.remover(token, `Remove ${one.name}`, { name: one.name }) : "")
                      : null,
                  ),
                ),
              ),
            ),
          ),
        );
      }

      // ---- what is there
      overview(found) {
        this.have.replaceChildren(
          ...[
            found.imports.length
              ? el("h2", {}, "Photos of this project")
              : el(
                  "div",
                  { class: "ss-empty" },
                  "No photos yet. Drop some above, or try the handwritten digits on the Start tab.",
                ),
            ...found.imports.map((one) => this.imported(one)),
            found.split ? this.split(found.split) : null,
          ].filter(Boolean),
        );
      }
      imported(one) {
        return el(
          "div",
          { class: "ss-card" },
          ...[
            el(
              "div",
              { class: "ss-live-head" },
              el("h3", {}, one.title),
              el("span", { class: "ss-state", "data-state": one.state }, one.state === "done" ? "imported" : one.state),
            ),
            one.state === "running" ? el("p", { class: "ss-number" }, progressWords(one)) : null,
            one.error ? el("div", { class: "ss-badline" }, one.error) : null,
            el("div", { class: "ss-badges" }, ...one.badges.map(badge)),
            one.images
              ? el(
                  "details",
                  {},
                  el("summary", {}, many(Object.keys(one.counts).length, "class", "classes")),
                  el(
                    "table",
                    { class: "ss-table" },
                    el(
                      "tbody",
                      {},
                      ...Object.entries(one.counts).map(([label, n]) =>
                        el("tr", {}, el("td", {}, label), el("td", { class: "n" }, String(n))),
                      ),
                    ),
                  ),
                )
              : null,
            this.refused(one),
          ].filter(Boolean),
        );
      }
      split(found) {
        const part = (row, name) =>
          el("i", {
            class: name,
            style: `width:${(100 * row[name]) / Math.max(1, row.shots + row.validation + row.test)}%`,
            title: `${row[name]} ${name}`,
          });
        return el(
          "div",
          { class: "ss-card ss-scroll" },
          el("h3", {}, `The split (fold ${found.fold + 1})`),
          el(
            "p",
            { class: "ss-muted" },
            "Shots: the method may learn from them. Validation: choices may look at them. Test: locked; only " +
              "Evaluate reads them, because an accuracy on photos that anything has learned from would be too " +
              "high. Near-duplicates are kept on one side.",
          ),
          el(
            "p",
            { class: "ss-muted" },
            `The test photos were looked at by ${found.looks} comparison${found.looks === 1 ? "" : "s"} so far.`,
          ),
          ...found.notes.map((note) =>
            el("p", { class: note.level === "warning" ? "ss-warnline" : "ss-muted" }, note.text),
          ),
          el(
            "table",
            { class: "ss-table" },
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                el("th", {}, "Class"),
                el("th", { class: "n" }, "Shots"),
                el("th", { class: "n" }, "Validation"),
                el("th", { class: "n" }, "Test"),
                el("th", { class: "ss-wide" }, "Shares"),
              ),
            ),
            el(
              "tbody",
              {},
              ...found.rows.map((row) =>
                el(
                  "tr",
                  {},
                  el("td", {}, row.label),
                  el("td", { class: "n" }, String(row.shots)),
                  el("td", { class: "n" }, String(row.validation)),
                  el("td", { class: "n" }, String(row.test)),
                  el(
                    "td",
                    { class: "ss-wide", style: "width:40%" },
                    el(
                      "div",
                      {
                        class: "ss-bar2",
                        role: "img",
                        "aria-label": `${row.shots} shots, ${row.validation} validation, ${row.test} test`,
                      },
                      part(row, "shots"),
                      part(row, "validation"),
                      part(row, "test"),
                    ),
                  ),
                ),
              ),
            ),
          ),
        );
      }
    }
    customElements.define("studio-data", Data);
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
