// Answers of forms: every refusal stands in the form's own place, and once more beside the field that it is about.
(() => {
  "use strict";
  const boot = () => {
    const { el, send } = window.studio;
    const INPUTS = "input, textarea, select, [role=listbox]";

    // What stands beside the fields of one form; a new answer replaces all of it.
    const clear = (form) => {
      for (const one of document.querySelectorAll(`.ss-fielderror[data-form="${form}"]`)) unmark(one);
    };
    const unmark = (line) => {
      for (const one of document.querySelectorAll(`[aria-describedby="${line.id}"]`)) {
        one.removeAttribute("aria-invalid");
        one.removeAttribute("aria-describedby");
      }
      line.remove();
    };
    const mark = (form, field, words) => {
      const line = el("p", { class: "ss-fielderror", id: `${field.id}-error`, "data-form": form }, words);
      if (field.matches(INPUTS)) field.after(line);
      else field.append(line);
      for (const one of field.matches(INPUTS) ? [field] : field.querySelectorAll(INPUTS)) {
        one.setAttribute("aria-invalid", "true");
        one.setAttribute("aria-describedby", line.id);
        one.addEventListener("input", () => unmark(line), { once: true });
      }
    };

    // Fields of a closed fold are not there: open it, so that what is wrong can be seen and mended.
    const unfold = (form) => {
      const fold = document.getElementById(`ss-${form}-more`)?.querySelector("button.label-wrap:not(.open)");
      if (fold) fold.click();
      return !!fold;
    };
    const beside = (form, wanted, later) => {
      clear(form);
      const missing = wanted.filter(({ id }) => !document.getElementById(id));
      for (const { id, words } of wanted) {
        const field = document.getElementById(id);
        if (field) mark(form, field, words);
      }
      if (missing.length && later > 0) {
        unfold(form);
        setTimeout(() => beside(form, wanted, later - 1), 120);
      }
    };

    // After an event of a gradio form: `said` is what the server wrote into the form's place, empty where all went well.
    // Only a press has something to do then (`done`), and only a press may open a fold.
    const answered = (form, said, done) => {
      const lines = [...new DOMParser().parseFromString(said || "", "text/html").querySelectorAll("[data-field]")];
      const wanted = lines.map((one) => ({ id: one.dataset.field, words: one.textContent })).filter((one) => one.id);
      beside(form, wanted, done ? 20 : 0);
      if (!lines.length) done?.();
    };
    // The same for a form of our own elements: its place, and its fields by the names that the server knows them by.
    class Answers {
      constructor(form, fields) {
        this.form = form;
        this.fields = fields;
        this.root = el("div");
      }
      refuse(detail, about = {}) {
        const known = Object.entries(about).filter(([name]) => this.fields[name]);
        beside(
          this.form,
          known.map(([name, words]) => ({ id: this.fields[name].id, words })),
          0,
        );
        this.root.replaceChildren(
          ...(detail ? [el("div", { class: "ss-badline ss-refused", role: "alert" }, el("p", {}, detail))] : []),
        );
      }
      // What the server answered; null where it refused, which is said then.
      async ask(path, body) {
        this.refuse("");
        try {
          const { ok, found } = await send(path, body);
          if (!ok) this.refuse(found.detail, found.fields);
          return ok ? found : null;
        } catch {
          this.refuse("The server cannot be reached. It was not done.");
          return null;
        }
      }
    }
    Object.assign(window.studio, { answered, Answers });
  };
  if (window.studio) boot();
  else addEventListener("DOMContentLoaded", boot, { once: true });
})();
