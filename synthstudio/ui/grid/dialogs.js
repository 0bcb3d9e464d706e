// Dialogs of the grid: the list of keys, and freezing a selection into a set.
import { copy, h, number } from './dom.js';

export const KEYS = [
  ['Decide', [['P', 'accept, go on'], ['X', 'reject, go on'], ['U', 'undecided, go on'], ['1 – 9', 'move to that class and accept'],
    ['Ctrl Z', 'undo'], ['Shift Ctrl Z', 'redo']]],
  ['Move', [['← → ↑ ↓', 'next image'], ['Page Up/Down, Home, End', 'further'], ['Space', 'large preview, and back'], ['I', 'details']]],
  ['Select', [['Shift click, Shift arrows', 'a range'], ['Ctrl click', 'one more'], ['Ctrl A', 'everything this filter finds'], ['Esc', 'nothing']]],
  ['Also', [['R', 'refresh the list'], ['A', 'auto-advance on or off'], ['?', 'this list']]],
];

function dialog(title, ...content) {
  const element = h('dialog', { class: 'ss-dialog', 'aria-label': title },
    h('div', { class: 'ss-dialog-top' }, h('strong', {}, title), h('button', { type: 'button', 'aria-label': 'Close', onclick: () => element.close() }, '✕')),
    ...content);
  element.addEventListener('close', () => element.remove());
  // A click on the backdrop is a click on the dialog itself.
  element.addEventListener('click', event => { if (event.target === element) element.close(); });
  return element;
}

export function help(parent) {
  const element = dialog('Keys', h('div', { class: 'ss-keys' }, KEYS.map(([title, rows]) => h('section', {}, h('h4', {}, title),
    h('dl', {}, rows.map(([keys, text]) => [h('dt', {}, h('kbd', {}, keys)), h('dd', {}, text)]))))),
  h('p', { class: 'ss-faint' }, 'Rejecting never deletes an image. On a phone, open an image and swipe right to accept, left to reject.'));
  parent.append(element);
  element.showModal();
}

/** Ask what to freeze: `choices` are [text, count, freeze()]; freeze() resolves to what became of it. */
export function freezing(parent, choices) {
  const answer = h('div', { 'aria-live': 'polite' });
  const buttons = choices.map(([text, count, freeze]) => h('button', {
    type: 'button', class: 'ss-choice', disabled: !count, onclick: async () => {
      buttons.forEach(button => { button.disabled = true; });
      answer.textContent = 'Freezing…';
      try { answer.replaceChildren(...frozen(await freeze())); } catch (error) {
        answer.textContent = error.message;
        buttons.forEach((button, place) => { button.disabled = !choices[place][1]; });
      }
    },
  }, text, h('b', {}, number(count))));
  const element = dialog('Freeze a selection', h('p', {}, 'Make a set that later steps can use. It keeps its images for ever, whatever you decide afterwards; test images are never part of it.'),
    h('div', { class: 'ss-choices' }, buttons), answer);
  parent.append(element);
  element.showModal();
}

function frozen(made) {
  const classes = Object.keys(made.counts).length;
  return [h('p', {}, h('b', {}, `${number(made.size)} images in ${number(classes)} ${classes === 1 ? 'class' : 'classes'} are frozen.`), ` ${made.sentence}`),
    h('p', {}, h('code', {}, made.image_set.slice(0, 24), '…'), ' ',
      h('button', { type: 'button', onclick: event => { copy(made.image_set); event.target.textContent = 'Copied'; } }, 'Copy the id'))];
}
