// As much of a page as drawing needs: elements with attributes, children and listeners.
class Node {
  parent = null;
  remove() {
    if (this.parent) this.parent.children = this.parent.children.filter((one) => one !== this);
    this.parent = null;
  }
}

class Element extends Node {
  children = [];
  attributes = {};
  listeners = {};
  constructor(tag) {
    super();
    this.tag = tag;
    this.classList = { contains: (name) => (this.attributes.class ?? "").split(" ").includes(name) };
  }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }
  addEventListener(name, heard) {
    this.listeners[name] = heard;
  }
  append(...given) {
    for (const one of given) this.insertBefore(typeof one === "object" ? one : new Text(String(one)), null);
  }
  insertBefore(node, next) {
    node.remove();
    node.parent = this;
    this.children.splice(next ? this.children.indexOf(next) : this.children.length, 0, node);
  }
  replaceChildren(...given) {
    for (const one of this.children) one.parent = null;
    this.children = [];
    this.append(...given);
  }
  get textContent() {
    return this.children.map((one) => one.textContent).join("");
  }
}

class Text extends Node {
  constructor(words) {
    super();
    this.textContent = words;
  }
}

globalThis.document = { createElement: (tag) => new Element(tag) };
