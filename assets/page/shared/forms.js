// What a reader wrote into gradio's forms stays in this browser, for each project its own.
import { poke } from "./state.js";
import { ofProject, recall, remember } from "./storage.js";

const returned = new Set(); // until they were put back nothing is kept: mounting a form changes it too

/** The values of a form as they were left, or nothing where it has other fields than then. */
export function restoreForm(name, fields) {
  returned.add(name);
  const values = recall(ofProject(name), []);
  return Array.isArray(values) && values.length === fields ? values : [];
}

export function rememberForm(name, ...values) {
  if (returned.has(name)) remember(ofProject(name), values);
}

// The page is ready when every form has its values: the reader's own after a reload, else what there is to choose.
const FORMS = ["recipe", "adapt", "sample", "distil", "train"],
  filled = new Set();

export function loaded(name) {
  filled.add(name);
  if (!FORMS.every((one) => filled.has(one))) return;
  document.documentElement.classList.add("ss-ready");
  poke();
}
