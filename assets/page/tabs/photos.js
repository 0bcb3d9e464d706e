// The photos of a project: what was imported, and how it was split.
import { go } from "../shared/address.js";
import { fold, h, link, stateBadge, table, td, th, tr } from "../shared/dom.js";
import { many, progressWords } from "../shared/format.js";

const LEVELS = { ok: "Good", warn: "Note", block: "Problem" };
const ACTIONS = { recipe: ["Choose a recipe", () => go("start")], add: ["Add photos", toDrop] };

function toDrop() {
  const zone = document.querySelector("studio-data .ss-drop");
  zone.scrollIntoView({ behavior: "smooth", block: "center" });
  zone.focus();
}

/** A remark on photos, with what can be done about it. */
export function badge({ level, text, action }) {
  const [words, act] = ACTIONS[action] || [];
  return h("div", {}, stateBadge(level, LEVELS[level]), h("span", {}, text), words && link(words, act));
}

/** Files that are not used, and why; `remover(file)` makes the button that takes one out, where that is possible. */
export function refused({ refused: files, refused_count: count }, remover = null) {
  if (!count) return null;
  const line = (one) => tr(td("", one.name), td("", one.reason), remover && td("", one.loose && remover(one)));
  return h(
    "details",
    { open: count <= 12 },
    h("summary", {}, `${many(count, "file")} not used`),
    h("div", { class: "ss-scroll" }, table([th("", "File"), th("", "Why"), remover && td("")], files.map(line))),
  );
}

/** Everything that is there. */
export const overview = ({ imports, split: found }) => [
  imports.length
    ? h("h2", {}, "Photos of this project")
    : h(
        "div",
        { class: "ss-empty" },
        "No photos yet. Drop some above, or try the handwritten digits on the Start tab.",
      ),
  imports.map(imported),
  found && split(found),
];

const imported = (one) =>
  h(
    "div",
    { class: "ss-card" },
    h(
      "div",
      { class: "ss-live-head" },
      h("h3", {}, one.title),
      stateBadge(one.state, one.state === "done" ? "imported" : one.state),
    ),
    one.state === "running" && h("p", { class: "ss-number" }, progressWords(one)),
    one.error && h("div", { class: "ss-badline" }, one.error),
    h("div", { class: "ss-badges" }, one.badges.map(badge)),
    one.images ? counts(Object.entries(one.counts)) : null,
    refused(one),
  );

const counts = (classes) =>
  fold(
    many(classes.length, "class", "classes"),
    table(
      [],
      classes.map(([label, n]) => tr(td("", label), td("n", String(n)))),
    ),
  );

function split({ fold: number, looks, notes, rows }) {
  return h(
    "div",
    { class: "ss-card ss-scroll" },
    h("h3", {}, `The split (fold ${number + 1})`),
    h(
      "p",
      { class: "ss-muted" },
      "Shots: the method may learn from them. Validation: choices may look at them. Test: locked; only " +
        "Evaluate reads them, because an accuracy on photos that something was trained on would be too " +
        "high. Near-duplicates are kept on one side.",
    ),
    h("p", { class: "ss-muted" }, `The test photos were looked at by ${many(looks, "comparison")} so far.`),
    notes.map((note) => h("p", { class: note.level === "warning" ? "ss-warnline" : "ss-muted" }, note.text)),
    table(
      [th("", "Class"), th("n", "Shots"), th("n", "Validation"), th("n", "Test"), th("ss-wide", "Shares")],
      rows.map((row) =>
        tr(
          td("", row.label),
          td("n", String(row.shots)),
          td("n", String(row.validation)),
          td("n", String(row.test)),
          h("td", { class: "ss-wide", style: "width:40%" }, shares(row)),
        ),
      ),
    ),
  );
}

function shares({ shots, validation, test }) {
  const all = Math.max(1, shots + validation + test);
  const part = (count, kind) =>
    h("i", { class: kind, style: `width:${(100 * count) / all}%`, title: `${count} ${kind}` });
  return h(
    "div",
    { class: "ss-bar2", role: "img", "aria-label": `${shots} shots, ${validation} validation, ${test} test` },
    part(shots, "shots"),
    part(validation, "validation"),
    part(test, "test"),
  );
}
