// The place of the review grid, which is fetched when its tab is first opened.

class Review extends HTMLElement {
  async connectedCallback() {
    if (this.begun) return;
    this.begun = true;
    let grid;
    try {
      grid = await import("../grid/main.js");
    } catch {
      this.textContent = "The review grid could not be loaded. Reload the page.";
      return;
    }
    await grid.mount(this.firstElementChild, (detail) =>
      this.dispatchEvent(new CustomEvent("studio:use_settings", { bubbles: true, detail })),
    );
  }
}

customElements.define("studio-review", Review);
