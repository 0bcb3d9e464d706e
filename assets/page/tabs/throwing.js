// Throwing things away to free space: first what would go, then a press.
import { button, fill, h, stateBadge } from "../shared/dom.js";
import { many, room } from "../shared/format.js";
import { say, tell, wordsOf } from "../shared/say.js";
import { post } from "../shared/server.js";

const AGAIN = {
  same: ["ok", "can be made again"],
  alike: ["warn", "can be made again, perhaps not the very same"],
  no: ["block", "cannot be made again"],
};

/** The room that a thing takes; nothing takes "–". */
export const sized = (bytes) => (bytes ? room(bytes, 1e5) : "–");

/** The first few of some names, and what to say of the rest. */
const named = (names, most, rest) => names.slice(0, most).join(", ") + (names.length > most ? rest : "");

export class Throwing {
  /** `side` is where it asks; `over` hears the end of it, and whether something was thrown away. */
  constructor(side, over) {
    Object.assign(this, { side, over, planning: false });
  }
  async plan(ids) {
    const found = await tell("/things/plan", { ids });
    if (!found) return;
    this.planning = true;
    this.side.hidden = false;
    fill(this.side, this.asks(ids, found));
    this.side.scrollIntoView({ behavior: "smooth", block: "nearest" });
    this.side.querySelector("button")?.focus({ preventScroll: true });
  }
  asks(ids, found) {
    const total = (name) => found.things.reduce((sum, one) => sum + one[name], 0);
    const lost = found.things.filter((one) => one.again === "no"),
      possible = !found.refused.length,
      why = h("div", { class: "ss-fielderror", role: "alert" });
    const sure =
      possible && lost.length > 0 && h("input", { type: "checkbox", id: "ss-library-sure", onchange: () => ready() });
    const go =
      possible &&
      button(
        `Throw away, ${found.bytes ? sized(found.bytes) : "0 kB"}`,
        () => this.free({ ids, digest: found.digest, for_good: Boolean(sure?.checked) }, go, why),
        "strong",
        { id: "ss-library-go", disabled: Boolean(sure) },
      );
    const ready = () => {
      go.disabled = !sure.checked;
    };
    return [
      h("h2", {}, `Throw ${many(found.things.length, "thing")} away?`),
      found.refused.map((sentence) => h("div", { class: "ss-badline", role: "alert" }, sentence)),
      h(
        "p",
        { class: "ss-number" },
        found.bytes
          ? `This frees ${sized(found.bytes)} on the disk, ${many(found.files, "file")} that nothing else holds.`
          : "This frees nothing: everything in it is needed by something else.",
      ),
      h("ul", { class: "ss-prompts" }, found.things.map(item)),
      total("shared") > 0 && h("p", {}, shared(total("shared"), found.kept_by)),
      found.dependants.length > 0 &&
        h(
          "p",
          {},
          `Made from this, and staying: ${named(found.dependants, 6, " and more")}. ` +
            "To make one of these again, this has to be made again first.",
        ),
      h("p", { class: "ss-muted" }, stays(total("decided"))),
      sure &&
        h(
          "p",
          {},
          h(
            "label",
            { for: "ss-library-sure" },
            sure,
            ` I know that ${lost.map((one) => one.name).join(", ")} cannot be made again.`,
          ),
        ),
      why,
      h(
        "span",
        { class: "ss-buttons" },
        go,
        button(go ? "Keep" : "Close", () => this.leave(false)),
      ),
    ];
  }
  async free(asked, go, why) {
    go.disabled = true;
    try {
      const { bytes } = await post("/things/free", asked);
      say(`${bytes ? sized(bytes) : "Nothing"} freed. Asking for a step again makes it again.`, "note");
      this.leave(true);
    } catch (error) {
      why.textContent = wordsOf(error);
      go.disabled = false;
    }
  }
  leave(gone) {
    this.planning = false;
    this.side.hidden = true;
    fill(this.side);
    this.over(gone);
  }
}

const item = (one) =>
  h(
    "li",
    {},
    h("strong", {}, one.name),
    ` (${sized(one.bytes)}) `,
    stateBadge(...AGAIN[one.again]),
    h("div", { class: "ss-muted" }, one.why),
  );

const shared = (count, keepers) =>
  `${many(count, "image")} will stay, because ${named(keepers, 4, "") || "something else"}` +
  `${keepers.length > 4 ? " and others need" : keepers.length > 1 ? " need" : " needs"} them.`;

const stays = (decided) =>
  "Logs, numbers and names " +
  `stay${decided ? `, and so does what was decided about ${many(decided, "image")}` : ""}.`;
