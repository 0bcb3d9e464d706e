// A name in its place: a button that becomes a field.
import { button, h, link, text } from "./dom.js";
import { wordsOf } from "./say.js";
import { post } from "./server.js";

/** `name()` is the name to begin with, `save(name)` tells the server (it may refuse) and `renamed` hears what it answered.
 * `words`: what the button says, and what the field is. */
export function renaming(name, save, renamed, words = ["rename", "new name"]) {
  const press = link(words[0], open, { class: "ss-link ss-rename" });
  function open() {
    const box = h("input", { class: "ss-input", maxlength: 120, value: name(), "aria-label": words[1] }),
      why = h("span", { class: "ss-fielderror", role: "alert" }),
      close = () => form.replaceWith(press);
    const form = h(
      "form",
      {
        class: "ss-renaming",
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            const found = await save(box.value);
            close();
            renamed(found);
          } catch (error) {
            text(why, wordsOf(error));
            box.setAttribute("aria-invalid", "true");
            box.focus();
          }
        },
        onkeydown: (event) => event.key === "Escape" && close(),
      },
      box,
      h("button", { class: "ss-button strong" }, "Save"),
      button("Cancel", close),
      why,
    );
    press.replaceWith(form);
    box.select();
  }
  return press;
}

/** The same for a run or a recipe by its id. */
export const renamingRun = (thing, name, renamed) =>
  renaming(
    name,
    (wanted) => post("/runs-named", { thing, name: wanted }),
    (found) => renamed(found.name),
  );
