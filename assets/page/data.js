// Data: drop folders, a zip, loose files or a table; see what an import would bring; only then keep anything.
(() => {
  "use strict";
  const boot = () => {
    const { BASE, el, text, post, say, Part, progressWords, go } = window.studio;
    const get = async (path) => { const answer = await fetch(BASE + path); if (!answer.ok) throw new Error(answer.status); return answer.json(); };
    const AT_ONCE = 4;
    const ACTIONS = {
      recipe: ["Choose a recipe", () => go("start")],
      add: ["Add photos", () => { const zone = document.querySelector("studio-data .ss-drop"); zone.scrollIntoView({ behavior: "smooth", block: "center" }); zone.focus(); }],
    };
    const badge = (one) => {
      const [words, act] = ACTIONS[one.action] || [];
      return el("div", {}, el("span", { class: "ss-state", "data-state": one.level }, one.level), el("span", {}, one.text),
        words ? el("button", { type: "button", class: "ss-link", onclick: act }, words) : null);
    };

    // A dropped folder is read entry by entry; readEntries gives at most a hundred at a time.
    const walk = async (entry, prefix = "") => {
      if (entry.isFile) return [[prefix + entry.name, await new Promise((done, failed) => entry.file(done, failed))]];
      const reader = entry.createReader(), found = [];
      for (;;) {
        const some = await new Promise((done, failed) => reader.readEntries(done, failed));
        if (!some.length) return found;
        for (const one of some) found.push(...await walk(one, `${prefix}${entry.name}/`));
      }
    };

    class Data extends Part {
      build() {
        this.files = el("input", { type: "file", multiple: true, hidden: true, id: "ss-files", "aria-label": "files" });
        this.folder = el("input", { type: "file", webkitdirectory: true, hidden: true, id: "ss-folder", "aria-label": "folder" });
        this.files.addEventListener("change", () => this.send([...this.files.files].map((file) => [file.name, file])));
        this.folder.addEventListener("change", () => this.send([...this.folder.files].map((file) => [file.webkitRelativePath || file.name, file])));
        const zone = el("div", { class: "ss-drop", tabindex: 0, role: "group", "aria-label": "Drop photos here" },
          el("h2", {}, "Drop your photos here"),
          el("p", { class: "ss-muted" }, "Folders named after their classes, a zip of them, loose pictures of one class, or a parquet table. Pasting a picture works too. You will see what would happen before anything is kept."),
          el("span", { class: "ss-buttons" }, el("button", { type: "button", class: "ss-button strong", onclick: () => this.folder.click() }, "Choose a folder"),
            el("button", { type: "button", class: "ss-button", onclick: () => this.files.click() }, "Choose files"), this.files, this.folder));
        zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
        zone.addEventListener("dragleave", () => zone.classList.remove("over"));
        zone.addEventListener("drop", async (event) => {
          event.preventDefault(); zone.classList.remove("over");
          const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean), found = [];
          for (const entry of entries) found.push(...await walk(entry));
          this.send(found);
        });
        this.pasted = (event) => { const files = [...(event.clipboardData?.files || [])]; if (files.length && this.offsetParent !== null) this.send(files.map((file, place) => [`pasted-${Date.now()}-${place}-${file.name}`, file])); };
        document.addEventListener("paste", this.pasted);
        this.look = el("div", { role: "region", "aria-label": "what an import would bring", "aria-live": "polite" });
        this.have = el("div");
        this.append(zone, this.look, this.have);
        const token = sessionStorage.getItem("synthstudio.upload");
        if (token) this.follow(token).catch(() => sessionStorage.removeItem("synthstudio.upload"));
      }
      async draw() {
        if (this.offsetParent === null || this.busy || Date.now() - (this.loaded || 0) < 2500) return;
        this.busy = true; this.loaded = Date.now();
        try { const found = await get("/data"), key = JSON.stringify(found); if (key !== this.key) { this.key = key; this.overview(found); } } catch { /* the bar says so */ } finally { this.busy = false; }
      }

      // ---- sending
      async send(found) {
        found = found.filter(([name]) => !name.split("/").some((part) => part.startsWith(".")));
        if (!found.length || this.sending) return;
        this.sending = true;
        const words = el("p", { class: "ss-number" }), meter = el("progress", { max: found.length, value: 0, style: "width:100%", "aria-label": "upload" });
        this.look.replaceChildren(el("div", { class: "ss-card" }, el("h3", {}, "Sending"), words, meter));
        try {
          const token = (await post("/uploads/new")).token;
          let next = 0, done = 0; const failed = [];
          const lane = async () => {
            while (next < found.length) {
              const [name, file] = found[next++];
              const answer = await fetch(`${BASE}/uploads/${token}/files?name=${encodeURIComponent(name)}`, { method: "POST", body: file }).catch(() => null);
              if (!answer?.ok) failed.push([name, answer ? (await answer.json().catch(() => ({}))).detail || (answer.status === 413 ? "is too large to send" : `answer ${answer.status}`) : "the connection broke"]);
              meter.value = ++done; text(words, `${done} of ${found.length} files`);
            }
          };
          await Promise.all(Array.from({ length: AT_ONCE }, lane));
          this.failed = failed;
          if (failed.length === found.length) { this.refusedAll(failed); return; }
          sessionStorage.setItem("synthstudio.upload", token);
          await post(`/uploads/${token}/check`, { label: "" });
          await this.follow(token);
        } catch { say("Sending stopped. Drop the files again."); this.look.replaceChildren(); } finally { this.sending = false; this.files.value = this.folder.value = ""; }
      }
      refusedAll(failed) {
        this.look.replaceChildren(el("div", { class: "ss-card" }, el("h3", {}, "Nothing could be sent"), el("div", { class: "ss-badline" }, `${failed[0][0]}: ${failed[0][1]}`)));
      }
      async follow(token) {
        for (;;) {
          const found = await get(`/uploads/${token}`);
          if (found.state === "checked") { this.report(token, found.report); return; }
          this.look.replaceChildren(el("div", { class: "ss-card" }, el("h3", {}, "Looking at every file"), el("p", { class: "ss-number" }, found.total ? `${found.done} of ${found.total}` : "…"),
            el("progress", { max: found.total || 1, value: found.done || 0, style: "width:100%", "aria-label": "looking at the files" })));
          await new Promise((done) => setTimeout(done, 400));
        }
      }

      // ---- the dry run
      report(token, found) {
        const drop = el("button", { type: "button", class: "ss-button" }, "Throw away");
        drop.addEventListener("click", async () => { sessionStorage.removeItem("synthstudio.upload"); this.look.replaceChildren(); await post(`/uploads/${token}/discard`); });
        if (found.error) { this.look.replaceChildren(el("div", { class: "ss-card" }, el("h3", {}, "This cannot be imported"), el("div", { class: "ss-badline", role: "alert" }, found.error), drop)); return; }
        const most = Math.max(1, ...found.classes.map((one) => one.images)), homeless = found.reasons.filter((one) => one.reason.startsWith("lies in no class folder"));
        const title = el("input", { class: "ss-input", id: "ss-title", value: "My photos", maxlength: 80 }), keep = el("button", { type: "button", class: "ss-button strong", id: "ss-import", disabled: !found.images }, `Import ${found.images} photos`);
        keep.addEventListener("click", async () => {
          keep.disabled = true;
          const done = await post(`/uploads/${token}/confirm`, { title: title.value });
          if (done) { sessionStorage.removeItem("synthstudio.upload"); this.loaded = 0; this.look.replaceChildren(el("div", { class: "ss-card" }, el("p", {}, "Importing. Next: "), el("button", { type: "button", class: "ss-button strong", onclick: () => location.assign("/?new=photos") }, "choose a recipe"))); this.draw(); } else keep.disabled = false;
        });
        const label = el("input", { class: "ss-input", "aria-label": "class of the loose files", placeholder: "class of the loose files", maxlength: 120 });
        const again = el("button", { type: "button", class: "ss-button" }, "Look again");
        again.addEventListener("click", async () => { if (label.value.trim()) { await post(`/uploads/${token}/check`, { label: label.value }); this.follow(token); } });
        this.look.replaceChildren(el("div", { class: "ss-card", id: "ss-dryrun" }, ...[
          el("h2", {}, "What an import would bring"), el("p", { class: "ss-muted" }, "Nothing is kept yet."),
          el("div", { class: "ss-badges" }, ...this.readiness(found).map(badge)),
          homeless.length ? el("p", { class: "ss-buttons" }, label, again) : null,
          el("div", { class: "ss-scroll" }, el("table", { class: "ss-table" }, el("thead", {}, el("tr", {}, el("th", {}, "Class"), el("th", { class: "n" }, "Photos"), el("th", {}, ""), el("th", {}, "Some of them"))),
            el("tbody", {}, ...found.classes.map((one) => el("tr", {}, el("td", {}, one.label), el("td", { class: "n" }, String(one.images)),
              el("td", {}, el("progress", { max: most, value: one.images, "aria-label": `${one.images} photos` })), el("td", {}, el("span", { class: "ss-pics" }, ...one.pictures.map((src) => el("img", { src, alt: "" }))))))))),
          this.refused(found),
          el("p", { class: "ss-buttons" }, el("label", { for: "ss-title" }, "Name "), title, keep, drop)].filter(Boolean)));
      }
      readiness(found) {
        const rows = [], counts = found.classes.map((one) => one.images), say = (level, words) => rows.push({ level, text: words });
        if (!found.images) say("block", "No usable photo. Give one folder of pictures per class.");
        else if (counts.length < 2) say("block", "Only one class: a classifier needs at least two. Add photos of another class later, or drop all classes at once.");
        else say("ok", `${found.images} photos in ${counts.length} classes.`);
        if (counts.length > 1 && Math.max(...counts) > 5 * Math.min(...counts)) say("warn", `Uneven: ${Math.min(...counts)} to ${Math.max(...counts)} photos per class.`);
        for (const one of found.classes.filter((c) => c.images < 2).slice(0, 5)) say("warn", `“${one.label}” has one photo: it can be learned from but not tested.`);
        if (found.empty.length) say("warn", `No usable photo in ${found.empty.map((name) => `“${name}”`).join(", ")}.`);
        if (found.repeats) say("warn", `${found.repeats} photos are there twice; each is kept once.`);
        if (found.conflicts) say("warn", `${found.conflicts} pictures lie in two classes; nobody can know which is right, so neither is used.`);
        if (found.near_duplicates) say("warn", `${found.near_duplicates} pairs are nearly the same photo; the split keeps them on one side.`);
        if (found.refused_count) say("warn", `${found.refused_count} files cannot be used; each says why below.`);
        if (this.failed?.length) say("warn", `${this.failed.length} files were not sent (${this.failed[0][0]}: ${this.failed[0][1]}).`);
        if (Object.keys(found.given).length) say("ok", `The source says its own split: ${Object.entries(found.given).map(([name, n]) => `${n} ${name}`).join(", ")}. It is respected.`);
        return rows;
      }
      refused(found) {
        if (!found.refused_count) return null;
        return el("details", { open: found.refused_count <= 12 }, el("summary", {}, `${found.refused_count} files not used`), el("div", { class: "ss-scroll" }, el("table", { class: "ss-table" },
          el("thead", {}, el("tr", {}, el("th", {}, "File"), el("th", {}, "Why"))), el("tbody", {}, ...found.refused.map((one) => el("tr", {}, el("td", {}, one.name), el("td", {}, one.reason)))))));
      }

      // ---- what is there
      overview(found) {
        this.have.replaceChildren(...[
          found.imports.length ? el("h2", {}, "Photos of this project") : el("div", { class: "ss-empty" }, "No photos yet. Drop some above, or try the handwritten digits on the Start tab."),
          ...found.imports.map((one) => this.imported(one)), found.split ? this.split(found.split) : null].filter(Boolean));
      }
      imported(one) {
        return el("div", { class: "ss-card" }, ...[
          el("div", { class: "ss-live-head" }, el("h3", {}, one.title), el("span", { class: "ss-state", "data-state": one.state }, one.state === "done" ? "imported" : one.state)),
          one.state === "running" ? el("p", { class: "ss-number" }, progressWords(one)) : null, one.error ? el("div", { class: "ss-badline" }, one.error) : null,
          el("div", { class: "ss-badges" }, ...one.badges.map(badge)),
          one.images ? el("details", {}, el("summary", {}, `${Object.keys(one.counts).length} classes`), el("table", { class: "ss-table" }, el("tbody", {}, ...Object.entries(one.counts).map(([label, n]) => el("tr", {}, el("td", {}, label), el("td", { class: "n" }, String(n))))))) : null,
          this.refused(one)].filter(Boolean));
      }
      split(found) {
        const part = (row, name) => el("i", { class: name, style: `width:${100 * row[name] / Math.max(1, row.shots + row.validation + row.test)}%`, title: `${row[name]} ${name}` });
        return el("div", { class: "ss-card ss-scroll" }, el("h3", {}, `The split (fold ${found.fold + 1})`),
          el("p", { class: "ss-muted" }, "Shots: the method may learn from them. Validation: choices may look at them. Test: locked; only Evaluate reads them, because an accuracy on photos that anything has learned from would be too high. Near-duplicates are kept on one side."),
          el("p", { class: "ss-muted" }, `The test photos were looked at by ${found.looks} comparison${found.looks === 1 ? "" : "s"} so far.`),
          el("table", { class: "ss-table" }, el("thead", {}, el("tr", {}, el("th", {}, "Class"), el("th", { class: "n" }, "Shots"), el("th", { class: "n" }, "Validation"), el("th", { class: "n" }, "Test"), el("th", {}, ""))),
            el("tbody", {}, ...found.rows.map((row) => el("tr", {}, el("td", {}, row.label), el("td", { class: "n" }, String(row.shots)), el("td", { class: "n" }, String(row.validation)), el("td", { class: "n" }, String(row.test)),
              el("td", { style: "width:40%" }, el("div", { class: "ss-bar2", role: "img", "aria-label": `${row.shots} shots, ${row.validation} validation, ${row.test} test` }, part(row, "shots"), part(row, "validation"), part(row, "test"))))))));
      }
    }
    customElements.define("studio-data", Data);
  };
  if (window.studio) boot(); else addEventListener("DOMContentLoaded", boot, { once: true });
})();
