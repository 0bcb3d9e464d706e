// Details of the current image: how it was made, its scores, its nearest real image, who decided what.
import { copy, h } from "../shared/dom.js";

const SHOWN_FIRST = [
  "prompt",
  "negative_prompt",
  "seed",
  "guidance_scale",
  "strength",
  "inference_steps",
  "sampler",
  "backbone",
  "adapter",
  "adapter_scale",
  "lack_strength",
  "name",
  "given",
];
const VERDICTS = { keep: "accepted", reject: "rejected", relabel: "moved", clear: "set back to pending" };

export class Drawer {
  /** `above` is what stands over the details of whichever image. */
  constructor(api, on, above) {
    Object.assign(this, { api, on, digest: "" });
    this.body = h("div", { class: "ss-drawer-body" });
    this.element = h(
      "aside",
      { class: "ss-drawer", "aria-label": "Details", hidden: true },
      h(
        "div",
        { class: "ss-drawer-top" },
        h("strong", {}, "Details"),
        h(
          "button",
          { type: "button", title: "Close (I)", "aria-label": "Close details", onclick: () => on.toggle() },
          "✕",
        ),
      ),
      above,
      this.body,
    );
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Show an image, if the drawer is open; quick walking asks only for where one stops. */
  show(digest, again = false) {
    if (!this.isOpen || !digest || (digest === this.digest && !again)) return;
    this.digest = digest;
    clearTimeout(this.later);
    this.later = setTimeout(() => this.#ask(digest), 120);
  }

  async #ask(digest) {
    try {
      const found = await this.api.insist(`details/${digest}`);
      if (digest === this.digest) this.body.replaceChildren(...this.#parts(found));
    } catch (error) {
      this.body.replaceChildren(h("p", {}, error.message));
    }
  }

  #parts(found) {
    return [
      h("img", { class: "ss-drawer-image", src: this.api.image(found.digest), alt: "" }),
      h(
        "div",
        { class: "ss-buttons" },
        h(
          "button",
          { type: "button", title: "Similar images (S)", onclick: () => this.on.similar(found.digest) },
          "Similar images",
        ),
      ),
      ...found.made.map((one) => this.#origin(one, found.digest)),
      this.#tags(found),
      this.#scores(found),
      found.nearest && this.#nearest(found.nearest),
      this.#history(found.decisions),
      h("p", { class: "ss-faint" }, "Digest ", h("code", { title: found.digest }, found.digest.slice(0, 16)), "…"),
    ].filter(Boolean);
  }

  #origin(one, digest) {
    const names = [
      ...SHOWN_FIRST.filter((name) => name in one.made),
      ...Object.keys(one.made).filter((name) => !SHOWN_FIRST.includes(name) && name !== "parent"),
    ];
    const value = (text) => (typeof text === "object" ? JSON.stringify(text) : String(text));
    return h(
      "section",
      {},
      h("p", { class: "ss-sentence" }, one.sentence),
      h(
        "dl",
        {},
        names.map((name) => [
          h("dt", {}, name.replaceAll("_", " ")),
          h("dd", { title: value(one.made[name]) }, value(one.made[name])),
        ]),
        h("dt", {}, "run"),
        h("dd", {}, h("code", {}, one.run)),
        h("dt", {}, "made"),
        h("dd", {}, new Date(one.when * 1000).toLocaleString()),
      ),
      one.made.parent &&
        h(
          "figure",
          {},
          h("img", { src: this.api.thumb(one.made.parent, 160), alt: "" }),
          h("figcaption", {}, "its source"),
        ),
      h(
        "div",
        { class: "ss-buttons" },
        "seed" in one.made &&
          h(
            "button",
            { type: "button", onclick: (event) => this.#copied(event.target, String(one.made.seed)) },
            "Copy seed",
          ),
        "prompt" in one.made &&
          h(
            "button",
            { type: "button", onclick: (event) => this.#copied(event.target, one.made.prompt) },
            "Copy prompt",
          ),
        one.origin === "synthetic" &&
          h("button", { type: "button", onclick: () => this.on.use({ run: one.run, digest }) }, "Use these settings"),
        this.#download(digest, "Download"),
        one.origin !== "real" && this.#download(digest, "without notes", "?notes=false"),
      ),
    );
  }

  #download(digest, words, query = "") {
    const title = query ? "The pixels alone" : "The file says how it was made";
    return h("a", { href: `${this.api.image(digest)}/file${query}`, download: true, title }, words);
  }

  async #copied(button, text) {
    const word = button.textContent;
    await copy(text);
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = word;
    }, 1200);
  }

  #tags({ digest, tags }) {
    const chip = (tag) =>
      h(
        "span",
        { class: "ss-narrow" },
        h("span", {}, tag),
        h(
          "button",
          { type: "button", "aria-label": `Take off the tag ${tag}`, onclick: () => this.on.untag(digest, tag) },
          "✕",
        ),
      );
    return h(
      "section",
      {},
      h("h4", {}, "Tags"),
      h(
        "div",
        { class: "ss-narrowed" },
        tags.map(chip),
        h("button", { type: "button", title: "Free words (T)", onclick: () => this.on.tag() }, "Tag…"),
      ),
    );
  }

  #scores({ scores }) {
    const names = Object.keys(scores);
    return h(
      "section",
      {},
      h("h4", {}, "Scores"),
      names.length
        ? h(
            "dl",
            {},
            names.map((name) => [
              h("dt", {}, name.replaceAll("_", " ")),
              h("dd", {}, scores[name] === null ? "none" : Number(scores[name]).toPrecision(4)),
            ]),
          )
        : h("p", { class: "ss-faint" }, "No scorer has looked at this image yet."),
    );
  }

  #nearest(nearest) {
    return h(
      "section",
      {},
      h("h4", {}, "Nearest real image"),
      h(
        "figure",
        {},
        h("img", { src: this.api.thumb(nearest.digest, 160), alt: "the nearest real image" }),
        h("figcaption", {}, `cosine ${nearest.cosine} by ${nearest.encoder}`),
      ),
    );
  }

  #history(decisions) {
    return h(
      "section",
      {},
      h("h4", {}, "Decisions"),
      decisions.length
        ? h(
            "ol",
            { class: "ss-history" },
            decisions.map((one) =>
              h(
                "li",
                {},
                one.undone ? `taken back: ${VERDICTS[one.verdict]}` : VERDICTS[one.verdict],
                one.label ? ` (${one.label})` : "",
                h(
                  "span",
                  { class: "ss-faint" },
                  ` · ${one.who} · ` +
                    `${new Date(one.decided_at * 1000).toLocaleString()}${one.why ? ` · ${one.why}` : ""}`,
                ),
              ),
            ),
          )
        : h("p", { class: "ss-faint" }, "Nobody has decided yet."),
    );
  }
}
