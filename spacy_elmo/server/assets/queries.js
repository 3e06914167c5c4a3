/** What is asked of the server: the body of POST /api/view, within its limits. */

import { Refusal } from "./requests.js";

/** @typedef {import("./state.js").State} State */
/**
 * @typedef {object} Model
 * @property {string[]} layers
 * @property {{max_tokens: number, max_body_bytes: number}} limits
 */

/**
 * Ask for the figure of a state.
 * @param {State} state
 * @param {Model | null} model  null: not known yet.
 * @returns {string}  JSON.
 */
export function composeQuery(state, model) {
  const { max_tokens: maxTokens, max_body_bytes: maxBytes } = model?.limits ?? {};
  const text = state.text ?? "";
  checkLength(text, maxTokens ?? Infinity);
  const { layer, style } = state;
  const query = {
    text,
    style,
    layer: layer !== null && model?.layers.includes(layer) ? layer : null,
    // Its number depends on the text, which may have changed since: it is chosen in the figure.
    token: null,
    word: style === "map" ? state.word : null,
    pair: style === "similarity" ? state.pair : null,
    same_sentence: state.sameSentence || null,
  };
  const body = JSON.stringify(query);
  checkBytes(body, maxBytes ?? Infinity);
  return body;
}

/**
 * @param {string} text
 * @param {number} limit  In tokens.
 */
function checkLength(text, limit) {
  const words = /[^ \t\n\r\v\f]+/g;
  // A tokenizer makes one token of a word, or more.
  let n = 0;
  while (n <= limit && words.exec(text)) {
    n += 1;
  }
  if (n > limit) {
    throw new Refusal(
      `The text has more than ${format(limit)} words, and the server accepts ${format(limit)} tokens at most. ` +
        "Remove a part of it.",
    );
  }
}

/**
 * @param {string} body
 * @param {number} limit  In bytes.
 */
function checkBytes(body, limit) {
  const n = body.length > limit ? body.length : new TextEncoder().encode(body).length;
  if (n > limit) {
    throw new Refusal(
      `The text is too long: it takes ${format(n)} bytes to send, and the server accepts ${format(limit)}. ` +
        "Remove a part of it.",
    );
  }
}

/** @param {number} n */
function format(n) {
  return n.toLocaleString("en");
}
