// "Find by words": a few words, a run that reads them where nobody has asked for them yet, then the images by likeness.
import { fill, h, link, sleep } from "../shared/dom.js";
import { number } from "../shared/format.js";

const LOOK = 500; // milliseconds between two looks at the run
const LONGEST = 200;

export class Words {
  #asked = 0; // which question is the last
  #about = ""; // the words that something is said of

  constructor(review) {
    this.review = review;
    this.box = h("input", {
      type: "search",
      class: "ss-find",
      maxlength: LONGEST,
      placeholder: "Find by words…",
      title: "What the images should show, then Enter (W)",
      "aria-label": "Find by words",
      autocomplete: "off",
      onkeydown: (event) => event.key === "Escape" && review.grid.element.focus({ preventScroll: true }),
    });
    this.said = h("span", { class: "ss-faint", role: "status" });
    const submit = (event) => {
      event.preventDefault();
      this.find(this.box.value);
    };
    this.element = h("form", { class: "ss-find-form", role: "search", onsubmit: submit }, this.box, this.said);
  }

  ask() {
    this.box.value ||= this.review.view.filter.words;
    this.box.focus();
    this.box.select();
  }

  /** The view shows images by these words: what was said of others is over. */
  show(words) {
    if (this.#about && this.#about !== words) this.#say();
  }

  /** Show the images of the view by their likeness to a text, the most alike first. */
  async find(text) {
    if (!text.trim()) return;
    const asked = (this.#asked += 1);
    this.#say("Reading the words…");
    try {
      const found = await this.#done(await this.review.api.say("words", { project: this.review.project, text }), asked);
      if (asked !== this.#asked) return;
      this.#say(found.said);
      this.box.value = ""; // the chip says it from now on
      await this.review.view.like(found.text);
      this.#about = found.text;
      this.review.grid.element.focus({ preventScroll: true });
    } catch (error) {
      if (asked === this.#asked)
        this.#say(
          error.message,
          " ",
          link("Try again", () => this.find(text)),
        );
    }
  }

  /** What was found, once the run that looks has ended; throws why it did not. */
  async #done(found, asked) {
    let now = found;
    while (now.run && asked === this.#asked) {
      if (!isWorking(now.run)) throw new Error(now.run.error || `The run is ${now.run.words}.`);
      this.#say(progress(now.run));
      await sleep(LOOK);
      now = await this.review.api.insist("words", { run: now.run.id, text: now.text });
    }
    return now;
  }

  #say(...words) {
    this.#about = "";
    fill(this.said, ...words);
  }
}

/** How far a run is that reads words: first it looks at images that nobody has looked at. */
export const progress = ({ done, total, words }) =>
  total ? `Looking at new images: ${number(done)} of ${number(total)}…` : `Reading the words: ${words}…`;

const isWorking = (run) => ["queued", "running", "stopping"].includes(run.state);
