// Answers of forms: every refusal stands in the form's own place, and once more beside the field that it is about.
import { fill, h } from "./dom.js";
import { wordsOf } from "./say.js";
import { post } from "./server.js";

const INPUTS = "input, textarea, select, [role=listbox]";

// What stands beside the fields of one form; a new answer replaces all of it.
function clear(form) {
  for (const one of document.querySelectorAll(`.ss-fielderror[data-form="${form}"]`)) unmark(one);
}

function unmark(line) {
  for (const one of document.querySelectorAll(`[aria-describedby="${line.id}"]`)) {
    one.removeAttribute("aria-invalid");
    one.removeAttribute("aria-describedby");
  }
  line.remove();
}

function mark(form, field, words) {
  const line = h("p", { class: "ss-fielderror", id: `${field.id}-error`, "data-form": form }, words);
  if (field.matches(INPUTS)) field.after(line);
  else field.append(line);
  for (const one of field.matches(INPUTS) ? [field] : field.querySelectorAll(INPUTS)) {
    one.setAttribute("aria-invalid", "true");
    one.setAttribute("aria-describedby", line.id);
    one.addEventListener("input", () => unmark(line), { once: true });
  }
}

// Fields of a closed fold are not there: open it, so that what is wrong can be seen and mended.
function unfold(form) {
  document.getElementById(`ss-${form}-more`)?.querySelector("button.label-wrap:not(.open)")?.click();
}

function beside(form, wanted, later) {
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
}

/** The lines that the server wrote of a form, each with the id of the field that it is about. */
export const linesOf = (said) => [
  ...new DOMParser().parseFromString(said || "", "text/html").querySelectorAll("[data-field]"),
];

/** After an event of a gradio form: `said` is what the server wrote into the form's place, empty where all went well.
 * Only a press has something to do then (`done`), and only a press may open a fold. */
export function answered(form, said, done) {
  const lines = linesOf(said);
  const wanted = lines.map((one) => ({ id: one.dataset.field, words: one.textContent })).filter((one) => one.id);
  beside(form, wanted, done ? 20 : 0);
  if (!lines.length) done?.();
}

/** The same for a form of our own elements: its place, and its fields by the names that the server knows them by. */
export class Answers {
  constructor(form, fields) {
    Object.assign(this, { form, fields, root: h("div") });
  }
  refuse(detail, about = {}) {
    const known = Object.entries(about).filter(([name]) => this.fields[name]);
    beside(
      this.form,
      known.map(([name, words]) => ({ id: this.fields[name].id, words })),
      0,
    );
    fill(this.root, detail && h("div", { class: "ss-badline ss-refused", role: "alert" }, h("p", {}, detail)));
  }
  /** Say what is wrong with one field. */
  wrong(name, words) {
    this.refuse(words, { [name]: words });
  }
  /** What the server answered; null where it refused, which is said then. */
  async ask(path, body) {
    this.refuse("");
    try {
      return await post(path, body);
    } catch (error) {
      this.refuse(wordsOf(error), error.fields);
      return null;
    }
  }
}
