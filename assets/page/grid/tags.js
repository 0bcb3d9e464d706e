// Free words on images: asked for in a dialog, put on or taken off in one gesture.
import { h, text } from "../shared/dom.js";
import { many } from "../shared/format.js";
import { dialog } from "./dialogs.js";

const MOST = 20,
  LONGEST = 60;

/** The tags that a text names, between commas; [] and why, where it names none or too much. */
export function tagsOf(words) {
  const tags = [...new Set(words.split(",").map((one) => one.trim().replace(/\s+/g, " ")))].filter(Boolean);
  if (!tags.length) return [[], "Write at least one word."];
  if (tags.length > MOST) return [[], `At most ${MOST} tags at once.`];
  if (tags.some((one) => one.length > LONGEST)) return [[], `A tag has at most ${LONGEST} characters.`];
  return [tags, ""];
}

/** Ask for tags for so many images; `known` are [tag, images], `done(tags, off)` hears of them. */
export function tagging(parent, images, known, done) {
  const answer = h("p", { role: "status" });
  const box = h("input", { type: "text", maxlength: 600, autocomplete: "off", required: true });
  const given = (off) => {
    const [tags, why] = tagsOf(box.value);
    text(answer, why);
    if (!tags.length) return;
    done(tags, off);
    element.close();
  };
  const choose = (tag) => {
    box.value = tagsOf(`${box.value},${tag}`)[0].join(", ");
    box.focus();
  };
  const choice = ([tag, count]) =>
    h("button", { type: "button", title: many(count, "image"), onclick: () => choose(tag) }, tag);
  const submit = (event) => {
    event.preventDefault();
    given(false);
  };
  const element = dialog(
    `Tag ${many(images, "image")}`,
    h(
      "form",
      { onsubmit: submit },
      h("label", { class: "ss-name" }, "Words, with commas between them", box),
      h("div", { class: "ss-buttons" }, known.map(choice)),
      h(
        "div",
        { class: "ss-choices" },
        h("button", { class: "ss-choice" }, "Put on"),
        h("button", { type: "button", class: "ss-choice", onclick: () => given(true) }, "Take off"),
      ),
    ),
    answer,
    h("p", { class: "ss-faint" }, "One gesture, which undo takes back. “+ Filter” finds tags; an export says them."),
  );
  parent.append(element);
  element.showModal();
  box.focus();
}
