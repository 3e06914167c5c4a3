/** The choice of a style, and the controls that belong to one style each. */

/** @typedef {import("./state.js").State} State */
/** @typedef {{text: string, first: number, n_tokens: number}} Sentence */

/** So much of a sentence is shown in a list. */
const LONGEST_LABEL = 60;

export class Controls {
  /**
   * @param {object} elements
   * @param {HTMLInputElement[]} elements.styles
   * @param {HTMLElement[]} elements.groups  Each has the style that it belongs to as data-style.
   * @param {HTMLSelectElement} elements.word
   * @param {[HTMLSelectElement, HTMLSelectElement]} elements.pair
   * @param {HTMLInputElement} elements.sameSentence
   */
  constructor({ styles, groups, word, pair, sameSentence }) {
    this.styles = styles;
    this.groups = groups;
    this.word = word;
    this.pair = pair;
    this.sameSentence = sameSentence;
  }

  /**
   * Show the style with its controls.
   * @param {State} state
   */
  show(state) {
    for (const input of this.styles) {
      input.checked = input.value === state.style;
    }
    for (const group of this.groups) {
      group.hidden = group.dataset.style !== state.style;
    }
    this.sameSentence.checked = state.sameSentence;
  }

  /**
   * Offer what an answer has to choose from.
   * @param {State} state
   * @param {{words: [string, number][], sentences: Sentence[]}} answer
   */
  offer(state, { words, sentences }) {
    if (state.style === "map") {
      const options = words.map(([word, count]) => ({ value: word, label: `${word} (${count})` }));
      const word = findWord(state);
      const isOther = !["", ...words.map(([one]) => one)].includes(word);
      const others = isOther ? [{ value: word, label: word }] : [];
      setOptions(this.word, [{ value: "", label: "all words" }, ...options, ...others], word);
    }
    if (state.style === "similarity") {
      const labels = sentences.map(({ text }, row) => `${row + 1}. ${shorten(text)}`);
      const options = labels.map((label, row) => ({ value: String(row), label }));
      const last = Math.max(0, sentences.length - 1);
      const pair = state.pair ?? [0, 1];
      this.pair.forEach((select, side) => setOptions(select, options, String(Math.min(pair[side], last))));
    }
  }
}

/**
 * Find the word that the map shows: all, while the chosen one is not there.
 * @param {State} state
 * @returns {string}  "": all words.
 */
function findWord({ text, word }) {
  const wanted = (word ?? "").toLowerCase();
  return (text ?? "").toLowerCase().includes(wanted) ? wanted : "";
}

/**
 * @param {HTMLSelectElement} select
 * @param {{value: string, label: string}[]} options
 * @param {string} value  The chosen one.
 */
function setOptions(select, options, value) {
  const old = [...select.options];
  const isSame = old.length === options.length && options.every(({ label }, row) => old[row].text === label);
  if (!isSame) {
    select.replaceChildren(...options.map(({ value: own, label }) => new Option(label, own)));
  }
  select.value = value;
  select.disabled = options.length < 2;
}

/** @param {string} text */
function shorten(text) {
  const characters = [...text.slice(0, 2 * LONGEST_LABEL)];
  return characters.length <= LONGEST_LABEL ? text : `${characters.slice(0, LONGEST_LABEL - 1).join("")}…`;
}
