// Dialogs of the grid: the list of keys, and freezing a selection into a set.
import { copy, h } from "../shared/dom.js";
import { many, number } from "../shared/format.js";

export const KEYS = [
  [
    "Decide",
    [
      ["P", "accept, go on"],
      ["X", "reject, go on"],
      ["U", "back to pending, go on"],
      ["0 – 9", "move to the class of that name, or with that key, and accept"],
      ["Ctrl Z", "undo"],
      ["Shift Ctrl Z", "redo"],
      ["T", "tags: free words, on what is selected"],
    ],
  ],
  [
    "Move",
    [
      ["← → ↑ ↓", "next image"],
      ["Page Up/Down, Home, End", "further"],
      ["Space", "large preview, and back"],
      ["I", "details"],
      ["S", "similar images"],
      ["W", "find images by words"],
    ],
  ],
  [
    "Large preview",
    [
      ["Z", "fit, 1:1, 4×"],
      ["+ −, wheel", "nearer, further"],
      ["F", "fit"],
      ["Shift arrows, drag", "move the picture"],
    ],
  ],
  [
    "Select",
    [
      ["Shift click, Shift arrows", "a range"],
      ["Ctrl click", "one more"],
      ["Ctrl A", "everything this filter finds"],
      ["Esc", "nothing"],
    ],
  ],
  [
    "Map",
    [
      ["Shift drag, or Lasso", "select what it surrounds"],
      ["← → ↑ ↓", "next point in that direction"],
      ["+ − 0, wheel", "nearer, further, all of it"],
    ],
  ],
  [
    "Also",
    [
      ["R", "refresh the list"],
      ["A", "auto-advance on or off"],
      ["?", "this list"],
    ],
  ],
];

/** A dialog with a title; whoever asked for it puts it on the page and shows it. */
export function dialog(title, ...content) {
  const element = h(
    "dialog",
    { class: "ss-dialog", "aria-label": title },
    h(
      "div",
      { class: "ss-dialog-top" },
      h("strong", {}, title),
      h("button", { type: "button", "aria-label": "Close", onclick: () => element.close() }, "✕"),
    ),
    ...content,
  );
  element.addEventListener("close", () => element.remove());
  // A click on the backdrop is a click on the dialog itself.
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  return element;
}

export function help(parent) {
  const element = dialog(
    "Keys",
    h(
      "div",
      { class: "ss-keys" },
      KEYS.map(([title, rows]) =>
        h(
          "section",
          {},
          h("h4", {}, title),
          h(
            "dl",
            {},
            rows.map(([keys, text]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, text)]),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "ss-faint" },
      "Rejecting never deletes an image. On a phone, open an image and swipe right to accept, left to reject.",
    ),
  );
  parent.append(element);
  element.showModal();
}

/** Ask what to freeze: `choices` are [text, count, freeze(name)]; freeze() resolves to what became of it, and
 * judge(it) asks what that was worth. */
export function freezing(parent, choices, judge) {
  const answer = h("div", { "aria-live": "polite" });
  const name = h("input", {
    type: "text",
    id: "ss-freeze-name",
    maxlength: 120,
    placeholder: "or leave it to the program",
    autocomplete: "off",
  });
  const buttons = choices.map(([text, count, freeze]) =>
    h(
      "button",
      {
        type: "button",
        class: "ss-choice",
        disabled: !count,
        onclick: async () => {
          buttons.forEach((button) => {
            button.disabled = true;
          });
          answer.textContent = "Freezing…";
          try {
            const made = await freeze(name.value);
            answer.replaceChildren(...frozen(made, (line) => begun(element, line, () => judge(made))));
          } catch (error) {
            answer.textContent = error.message;
            buttons.forEach((button, place) => {
              button.disabled = !choices[place][1];
            });
          }
        },
      },
      text,
      h("b", {}, number(count)),
    ),
  );
  const element = dialog(
    "Freeze a selection",
    h(
      "p",
      {},
      "Make a set that later steps can use. It keeps its images for ever, whatever you decide afterwards; test " +
        "images are never part of it.",
    ),
    h("label", { class: "ss-name", for: name.id }, "Name", name),
    h("div", { class: "ss-choices" }, buttons),
    answer,
  );
  parent.append(element);
  element.showModal();
}

/** Ask which selection to judge: `judge(name)`, where '' is what is accepted now. */
export function judging(parent, selections, judge) {
  const answer = h("div", { "aria-live": "polite" });
  const chosen = h(
    "select",
    { id: "ss-helped-name" },
    h("option", { value: "" }, "What is accepted now"),
    selections.map((one) => h("option", { value: one.id }, `${one.name} (${many(one.size, "image")})`)),
  );
  const measures = h("studio-measured", { set: "", full: true });
  chosen.addEventListener("change", () => measures.show(chosen.value));
  const go = h(
    "button",
    {
      type: "button",
      class: "ss-choice",
      onclick: async () => {
        go.disabled = true;
        await begun(element, answer, () => judge(chosen.value));
        go.disabled = false;
      },
    },
    "Find out",
  );
  const element = dialog(
    "Did my review help?",
    h(
      "p",
      {},
      "Classifiers are trained on real photos alone, with everything the filter kept, with your selection, and " +
        "with as many images drawn at random. All answer on the same test photos; the first two are there already.",
    ),
    h("label", { class: "ss-name", for: chosen.id }, "Selection", chosen),
    measures,
    h("div", { class: "ss-choices" }, go),
    answer,
  );
  parent.append(element);
  element.showModal();
}

/** Start something from a dialog: it closes once that began, else it says why not. */
async function begun(element, answer, start) {
  answer.textContent = "Asking…";
  try {
    await start();
    element.close();
  } catch (error) {
    answer.textContent = error.message;
  }
}

function frozen(made, judge) {
  const line = h("p");
  const classes = Object.keys(made.counts).length;
  return [
    h(
      "p",
      {},
      h(
        "b",
        {},
        `${many(made.size, "image")} in ${many(classes, "class", "classes")} ${made.size === 1 ? "is" : "are"} ` +
          `frozen${made.name ? ` as “${made.name}”` : ""}.`,
      ),
      ` ${made.sentence}`,
    ),
    h(
      "p",
      {},
      h("code", {}, made.image_set.slice(0, 24), "…"),
      " ",
      h(
        "button",
        {
          type: "button",
          onclick: (event) => {
            copy(made.image_set);
            event.target.textContent = "Copied";
          },
        },
        "Copy the id",
      ),
      " ",
      h("button", { type: "button", onclick: () => judge(line) }, "Did my review help?"),
      " ",
      h("button", { type: "button", onclick: () => train(made.image_set) }, "Train with it"),
    ),
    h("studio-measured", { set: made.image_set, full: true }),
    line,
  ];
}

/** The Train tab with this selection chosen. */
function train(imageSet) {
  const wanted = new URLSearchParams(location.search);
  wanted.set("tab", "train");
  wanted.set("synthetic", imageSet);
  location.assign(`${location.pathname}?${wanted}`);
}
