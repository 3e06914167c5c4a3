/** Which token is chosen, while the text around it changes. */

/**
 * A token by its text, and which of the tokens with this text it is, from 1 up.
 * @typedef {{text: string, number: number}} Token
 */

export class TokenChoice {
  /** @param {Token | null} token  null: the figure chooses. */
  constructor(token) {
    this.token = token;
    /** @type {string[]} All tokens of the figure that was shown last. */
    this.texts = [];
    /** The row of the token among them; -1: it is not there. */
    this.row = -1;
  }

  /**
   * Take the user's choice.
   * @param {string[]} texts  All tokens.
   * @param {number} row
   */
  choose(texts, row) {
    // The page itself chooses in a new figure what was found there.
    if (row !== this.row || texts[row] !== this.texts[row]) {
      this.keep(texts, row);
      this.token = describe(texts, row);
    }
  }

  /**
   * Find the token in a text that may have changed: first by its place, so that it may be edited itself, then by
   * its text.
   * @param {string[]} texts  All tokens.
   * @returns {number}  Its row; -1: there is none.
   */
  find(texts) {
    if (!this.token) {
      return -1;
    }
    const place = this.row < 0 ? -1 : followRow(this.texts, texts, this.row);
    this.keep(texts, place < 0 ? findRow(texts, this.token) : place);
    if (texts[this.row] === this.token.text) {
      this.token = describe(texts, this.row);
    }
    return this.row;
  }

  /**
   * @param {string[]} texts
   * @param {number} row
   */
  keep(texts, row) {
    this.texts = texts;
    this.row = row;
  }
}

/**
 * Follow a row through one change of a list.
 * @param {string[]} before
 * @param {string[]} after
 * @param {number} row
 * @returns {number}  -1: it was removed, or nothing is as before.
 */
function followRow(before, after, row) {
  const most = Math.min(before.length, after.length);
  let nFirst = 0;
  while (nFirst < most && before[nFirst] === after[nFirst]) {
    nFirst += 1;
  }
  let nLast = 0;
  while (nLast < most - nFirst && before.at(-1 - nLast) === after.at(-1 - nLast)) {
    nLast += 1;
  }
  if (nFirst + nLast === 0) {
    // Another text.
    return -1;
  }
  if (row < nFirst) {
    return row;
  }
  if (row >= before.length - nLast) {
    return row + after.length - before.length;
  }
  const end = after.length - nLast;
  return end > nFirst ? Math.min(row, end - 1) : -1;
}

/**
 * @param {string[]} texts
 * @param {Token} token
 * @returns {number}  The last row with its text if there are fewer than its number; -1: there is none.
 */
function findRow(texts, { text, number }) {
  let row = -1;
  for (let n = 0; n < number; n += 1) {
    const next = texts.indexOf(text, row + 1);
    if (next < 0) {
      break;
    }
    row = next;
  }
  return row;
}

/**
 * @param {string[]} texts
 * @param {number} row
 * @returns {Token}
 */
function describe(texts, row) {
  const text = texts[row];
  return { text, number: texts.slice(0, row + 1).filter((other) => other === text).length };
}
