// Dialogs about one view: giving it a name, and its link, another name or its end.
import { copy, h } from "../shared/dom.js";
import { dialog } from "./dialogs.js";

/** Ask for a name to keep a view under: `words` say what it shows, `save(name)` keeps it or throws why not. */
export function naming(parent, words, name, save) {
  const answer = line(),
    box = named(name);
  const element = dialog(
    "Save this view",
    h("p", {}, words),
    h(
      "form",
      { onsubmit: (event) => done(event, element, answer, () => save(box.value)) },
      h("label", { class: "ss-name" }, "Name", box),
      h("div", { class: "ss-choices" }, h("button", { class: "ss-choice" }, "Save")),
    ),
    answer,
    h("p", { class: "ss-faint" }, "It keeps the filters and the order, not the images: what comes later is in it too."),
  );
  open(parent, element, box);
}

/** Show a view's link, and offer to rename or delete it: both resolve, or throw why not. */
export function changing(parent, { name, words, address }, { rename, remove }) {
  const answer = line(),
    box = named(name),
    where = h("input", { type: "text", readonly: true, value: address });
  const copying = async (event) => {
    await copy(address);
    event.target.textContent = "Copied";
  };
  const element = dialog(
    name,
    h("p", {}, words),
    h("label", { class: "ss-name" }, "Link", where),
    h("div", { class: "ss-choices" }, h("button", { type: "button", class: "ss-choice", onclick: copying }, "Copy link")),
    h(
      "form",
      { onsubmit: (event) => done(event, element, answer, () => rename(box.value)) },
      h("label", { class: "ss-name" }, "Name", box),
      h("div", { class: "ss-choices" }, h("button", { class: "ss-choice" }, "Rename")),
    ),
    h(
      "button",
      { type: "button", class: "ss-link", onclick: (event) => done(event, element, answer, remove) },
      "Delete this view",
    ),
    answer,
  );
  open(parent, element, where);
}

/** Show a view as a sentence, and as the question that the command line takes. */
export function sql(parent, words, asked) {
  const code = h("pre", { class: "ss-sql", tabindex: 0 }, asked);
  const copying = async (event) => {
    await copy(asked);
    event.target.textContent = "Copied";
  };
  const element = dialog(
    "This view as SQL",
    h("p", {}, words),
    code,
    h("div", { class: "ss-choices" }, h("button", { type: "button", class: "ss-choice", onclick: copying }, "Copy")),
    h(
      "p",
      { class: "ss-faint" },
      "It asks for the view as it stands then: ",
      h("code", {}, "python -m synthstudio sql \"…\""),
      " answers it from a copy of the catalog.",
    ),
  );
  parent.append(element);
  element.showModal();
}

const line = () => h("div", { "aria-live": "polite" });
const named = (name) => h("input", { type: "text", maxlength: 120, value: name, autocomplete: "off", required: true });

function open(parent, element, box) {
  parent.append(element);
  element.showModal();
  box.select();
}

/** Do something: the dialog closes once it is done, else it says why not. */
async function done(event, element, answer, work) {
  event.preventDefault();
  answer.textContent = "Saving…";
  try {
    await work();
    element.close();
  } catch (error) {
    answer.textContent = error.message;
  }
}
