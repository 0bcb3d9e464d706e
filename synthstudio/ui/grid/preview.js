// One image, large. Keys go on working; on a phone, swipe right to accept, left to reject.
import { h } from './dom.js';

const SWIPE = 60;

export class Preview {
  constructor(api, store, on) {
    Object.assign(this, { api, store, on, place: 0 });
    this.image = h('img', { alt: '' });
    this.caption = h('div', { class: 'ss-preview-caption', 'aria-live': 'polite' });
    const button = (text, label, work, kind = '') => h('button', { type: 'button', 'aria-label': label, title: label, class: kind, onclick: work }, text);
    this.element = h('div', { class: 'ss-preview', role: 'dialog', 'aria-modal': 'true', 'aria-label': 'Preview', tabindex: -1, hidden: true },
      h('div', { class: 'ss-preview-top' }, this.caption, button('✕ Close', 'Close (Space)', () => this.close())),
      h('div', { class: 'ss-preview-stage' },
        button('‹', 'Previous image', () => on.step(-1), 'ss-step'), this.image, button('›', 'Next image', () => on.step(1), 'ss-step')),
      h('div', { class: 'ss-preview-actions' },
        button('✕ Reject', 'Reject (X)', () => on.decide('reject'), 'ss-reject'),
        button('Undecided', 'Undecided (U)', () => on.decide('clear')),
        button('✓ Accept', 'Accept (P)', () => on.decide('keep'), 'ss-accept')));
    this.element.addEventListener('touchstart', event => { this.from = event.touches.length === 1 ? event.touches[0] : null; }, { passive: true });
    this.element.addEventListener('touchend', event => this.#swiped(event.changedTouches[0]), { passive: true });
    this.element.addEventListener('keydown', event => this.#keepFocus(event));
  }

  get isOpen() { return !this.element.hidden; }

  open() {
    this.returnTo = document.activeElement;
    this.element.hidden = false;
    this.element.focus();
    this.show(this.place);
  }

  close() {
    this.element.hidden = true;
    this.returnTo?.focus?.({ preventScroll: true });
  }

  async show(place) {
    this.place = place;
    if (!this.isOpen) return;
    const row = await this.store.rowWhenThere(place);
    if (!row || place !== this.place) return;
    const source = this.api.image(row.digest);
    if (this.image.getAttribute('src') !== source) {
      // The small picture is here already: show it until the large one is.
      this.image.style.backgroundImage = `url("${this.api.thumb(row.digest, 160)}")`;
      this.image.src = source;
    }
    const shown = this.store.shown(row);
    const word = { keep: '✓ accepted', relabel: '✓ accepted', reject: '✕ rejected' }[shown.verdict] ?? 'undecided';
    this.element.dataset.standing = word.split(' ').at(-1);
    const saved = shown.problem ? `, not saved: ${shown.problem}` : shown.waiting ? ' …' : '';
    this.caption.textContent = `${shown.label} · ${row.origin} · ${word}${saved} · ${place + 1} of ${this.store.total.toLocaleString('en-US')}`;
    this.image.alt = `${shown.label}, ${row.origin}`;
    for (const next of [1, 2, -1]) {
      const other = this.store.row(place + next);
      if (other) new Image().src = this.api.image(other.digest);
    }
  }

  #swiped(to) {
    if (!this.from || !to) return;
    const x = to.clientX - this.from.clientX, y = to.clientY - this.from.clientY;
    this.from = null;
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) this.on.decide(x > 0 ? 'keep' : 'reject');
  }

  #keepFocus(event) {
    if (event.key !== 'Tab') return;
    const buttons = [...this.element.querySelectorAll('button')];
    const edge = event.shiftKey ? buttons[0] : buttons.at(-1);
    if (document.activeElement !== edge) return;
    event.preventDefault();
    (event.shiftKey ? buttons.at(-1) : buttons[0]).focus();
  }
}
