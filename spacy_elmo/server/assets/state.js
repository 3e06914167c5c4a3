/** What the page shows, and how a link holds it. */

/** @typedef {import("./tokens.js").Token} Token */

/**
 * @typedef {object} State
 * @property {string | null} text  The text, one passage a line; null: a link that has none.
 * @property {string} style  The style of the figure.
 * @property {string | null} layer  The layer; null: the figure chooses.
 * @property {Token | null} token  The token of the style "neighbours"; null: the figure chooses.
 * @property {string | null} word  The word of the style "map"; null: all.
 * @property {[number, number] | null} pair  The sentences of the style "similarity", from 0 up; null: the first
 *     two.
 * @property {boolean} sameSentence  Whether neighbours may be of the same sentence.
 */

export const STYLES = ["neighbours", "map", "similarity", "layers", "drift"];

/** Longer addresses do not survive mail and chat. */
const LONGEST_LINK = 8000;

/** @type {Readonly<State>} */
export const DEFAULTS = Object.freeze({
  text: null,
  style: "neighbours",
  layer: null,
  token: null,
  word: null,
  pair: null,
  sameSentence: false,
});

/**
 * Read the state that a link holds; what is missing or makes no sense is as in DEFAULTS.
 * @param {string} fragment  With or without "#".
 * @returns {State}
 */
export function readLink(fragment) {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const style = fields.get("style") ?? "";
  return {
    text: fields.get("text"),
    style: STYLES.includes(style) ? style : DEFAULTS.style,
    layer: fields.get("layer") || null,
    token: readToken(fields.get("token") ?? ""),
    word: fields.get("word") || null,
    pair: readPair(fields.get("pair") ?? ""),
    sameSentence: fields.get("same_sentence") === "1",
  };
}

/**
 * Write the state as the fragment of a link.
 * @param {State} state
 * @param {number} nBefore  Characters of the address before the fragment.
 * @returns {{fragment: string, complete: boolean}}  `complete` is false if the text is too long, and is left out.
 */
export function writeLink(state, nBefore) {
  const rest = new URLSearchParams();
  for (const [name, value] of listFields(state)) {
    rest.set(name, value);
  }
  const text = state.text ?? "";
  // Escapes only make it longer, and those of a large text would take time at each key.
  if (nBefore + text.length <= LONGEST_LINK) {
    const all = new URLSearchParams({ text });
    rest.forEach((value, name) => all.set(name, value));
    const fragment = `#${all}`;
    if (nBefore + fragment.length <= LONGEST_LINK) {
      return { fragment, complete: true };
    }
  }
  return { fragment: `#${rest}`, complete: false };
}

/**
 * @param {State} state
 * @returns {[string, string][]}
 */
function listFields(state) {
  /** @type {[string, string | null | false][]} */
  const fields = [
    ["style", state.style],
    ["layer", state.layer],
    ["token", state.token && `${state.token.text}:${state.token.number}`],
    ["word", state.word],
    ["pair", state.pair && state.pair.join(",")],
    ["same_sentence", state.sameSentence && "1"],
  ];
  return /** @type {[string, string][]} */ (fields.filter(([, value]) => value));
}

/**
 * @param {string} field  "bank:2"
 * @returns {Token | null}
 */
function readToken(field) {
  const match = /^(.+):([1-9]\d{0,5})$/s.exec(field);
  return match && { text: match[1], number: Number(match[2]) };
}

/**
 * @param {string} field  "0,1"
 * @returns {[number, number] | null}
 */
function readPair(field) {
  const match = /^(\d{1,6}),(\d{1,6})$/.exec(field);
  return match && [Number(match[1]), Number(match[2])];
}
