// Settings from an image: a PNG that was exported here says how it was made, and the form is filled with that.
import { button, dropZone, h } from "../shared/dom.js";
import { wordsOf } from "../shared/say.js";
import { Away, post } from "../shared/server.js";

/** What the server read in an image is told as `studio:use_image`; `synthstudio/ui/tabs/sample.py` hears it. */
class ImageSettings extends HTMLElement {
  connectedCallback() {
    if (this.file) return;
    this.said = h("p", { class: "ss-muted", role: "status", id: "ss-fromimage-said" });
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
        h("span", { class: "ss-muted" }, "or drop a PNG here that was exported from SynthStudio"),
        this.file,
        this.said,
      ),
    );
  }
  async read(image) {
    if (!image) return;
    this.said.textContent = "Reading…";
    try {
      const { kind, fields, said } = await post("/uploads/settings", image);
      this.said.textContent = ["The form is filled with the settings of this image.", ...said].join(" ");
      this.dispatchEvent(new CustomEvent("studio:use_image", { bubbles: true, detail: { kind, fields } }));
    } catch (error) {
      const away = error instanceof Away && !error.status;
      this.said.textContent = away ? "The server cannot be reached. Choose the image again." : wordsOf(error);
    }
    this.file.value = "";
  }
}

customElements.define("studio-image-settings", ImageSettings);
