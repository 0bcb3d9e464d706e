// Drop any image: what its file says of its making, ours or another tool's, and using it: all, the seed, the prompt, or
// the very image made again.
import { button, dropZone, h, render, sleep } from "../shared/dom.js";
import { say, wordsOf } from "../shared/say.js";
import { Away, BASE, get, post } from "../shared/server.js";
import { offers, verdict } from "./image_words.js";

/** What is used of an image is told as `studio:use_image`; `synthstudio/ui/tabs/sample.py` hears it. */
class ImageSettings extends HTMLElement {
  connectedCallback() {
    if (this.file) return;
    this.said = h("p", { class: "ss-muted", role: "status", id: "ss-fromimage-said" });
    this.found = h("div", { class: "ss-readimage", id: "ss-fromimage-found" });
    this.file = h("input", {
      type: "file",
      accept: "image/*",
      hidden: true,
      id: "ss-fromimage-file",
      "aria-label": "image with settings",
      onchange: () => this.read(this.file.files[0]),
    });
    this.append(
      dropZone(
        { class: "ss-imagezone", role: "group", "aria-label": "Settings from an image" },
        (data) => this.read(data.files[0]),
        button("Settings from an image", () => this.file.click()),
        h("span", { class: "ss-muted" }, "or drop any image here: ours, AUTOMATIC1111, ComfyUI, InvokeAI"),
        this.file,
        this.said,
        this.found,
      ),
    );
  }
  async read(image) {
    if (!image) return;
    this.said.textContent = "Reading…";
    this.show(null);
    try {
      const found = await post("/uploads/settings", image);
      this.said.textContent = "";
      this.show(found, URL.createObjectURL(image));
    } catch (error) {
      const away = error instanceof Away && !error.status;
      this.said.textContent = away ? "The server cannot be reached. Choose the image again." : wordsOf(error);
    }
    this.file.value = "";
  }
  show(found, picture = "") {
    if (this.picture) URL.revokeObjectURL(this.picture);
    this.picture = picture;
    this.shown = found;
    render(this.found, [found, picture], () => found && this.parts(found, picture));
  }
  parts(found, picture) {
    const can = offers(found);
    this.again = h("div", { class: "ss-again", role: "status" });
    return [
      h(
        "div",
        { class: "ss-readimage-top" },
        h("img", { src: picture, alt: "the image that was read" }),
        h(
          "dl",
          {},
          h("dt", {}, "Written by"),
          h("dd", {}, found.tool),
          found.rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
        ),
      ),
      found.said.map((one) => h("p", { class: "ss-warn" }, one)),
      h(
        "div",
        { class: "ss-buttons" },
        button("Use all", () => this.use(), "strong"),
        can.seed && button("Seed", () => this.use(["seed"])),
        can.prompt && button("Prompt", () => this.use(["prompt", "negative_prompt", "domains"])),
        can.again && button("Make again", () => this.make(found)),
        button("Close", () => this.show(null)),
      ),
      can.why && h("p", { class: "ss-muted" }, can.why),
      this.again,
    ];
  }
  use(only = null) {
    const { kind, fields, form } = this.shown;
    this.dispatchEvent(new CustomEvent("studio:use_image", { bubbles: true, detail: { kind, fields, form, only } }));
    say(only ? `The form has the ${only[0]} of this image.` : "The form is filled with the settings of this image.", "note");
  }
  async make(found) {
    const place = this.again;
    place.textContent = "Asked for…";
    try {
      const { kind, fields, index, image } = found;
      const { run } = await post("/uploads/again", { kind, fields, index });
      let now;
      do {
        await sleep(700);
        now = await get(`/uploads/again/${encodeURIComponent(run)}`, { image });
        if (place.isConnected) place.textContent = verdict(now);
      } while (place.isConnected && ["queued", "running", "stopping"].includes(now.state));
      if (now.digest) place.append(h("img", { src: `${BASE}/images/${now.digest}`, alt: "made again" }));
    } catch (error) {
      place.textContent = wordsOf(error);
    }
  }
}

customElements.define("studio-image-settings", ImageSettings);
