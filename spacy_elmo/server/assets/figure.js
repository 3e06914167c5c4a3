/** The figure: puts a new one in the place of the old one, and keeps what the user has chosen in it. */

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Token} Token */

const FOCUSABLE = "select.elmo-layer, .elmo-scroll, button, a[href], [tabindex='0']";

/**
 * Show another figure. All happens between two pictures of the browser: there is no moment without a figure.
 * @param {HTMLElement} place
 * @param {string} html  Escaped by the server.
 * @param {State} state  Whose layer and token are chosen.
 */
export function showFigure(place, html, state) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const focus = describeFocus(place);
  const scrolls = findScrollers(place).map(({ scrollLeft, scrollTop }) => ({ scrollLeft, scrollTop }));
  const sameStyle = findStyle(place) === findStyle(template.content);
  place.replaceChildren(template.content);
  window.elmoVisual?.attach(place);
  chooseLayer(place, state.layer);
  chooseToken(place, state.token);
  if (sameStyle) {
    findScrollers(place).forEach((box, number) => Object.assign(box, scrolls[number]));
  }
  if (focus) {
    restoreFocus(place, focus);
  }
}

/**
 * Say which token was chosen in a figure, so that it is found in the next one.
 * @param {HTMLElement} place
 * @param {number} row  The number of the token among all.
 * @returns {Token | null}
 */
export function describeToken(place, row) {
  const tokens = listTokens(place);
  const chosen = tokens.find((button) => button.dataset.token === String(row));
  if (!chosen) {
    return null;
  }
  const alike = tokens.filter((button) => button.textContent === chosen.textContent);
  return { text: chosen.textContent ?? "", number: alike.indexOf(chosen) + 1 };
}

/**
 * @param {HTMLElement} place
 * @param {string | null} layer
 */
function chooseLayer(place, layer) {
  for (const select of /** @type {NodeListOf<HTMLSelectElement>} */ (place.querySelectorAll(".elmo-layer"))) {
    const isThere = [...select.options].some((option) => option.value === layer);
    if (layer !== null && isThere && select.value !== layer) {
      select.value = layer;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }
}

/**
 * @param {HTMLElement} place
 * @param {Token | null} token  If there are fewer tokens with its text, the last of them is chosen.
 */
function chooseToken(place, token) {
  if (!token) {
    return;
  }
  const alike = listTokens(place).filter((button) => button.textContent === token.text);
  const button = alike[Math.min(token.number, alike.length) - 1];
  if (button && button.getAttribute("aria-pressed") !== "true") {
    button.click();
  }
}

/**
 * @param {ParentNode} place
 * @returns {HTMLButtonElement[]}
 */
function listTokens(place) {
  return [...place.querySelectorAll("button.elmo-token")].map((e) => /** @type {HTMLButtonElement} */ (e));
}

/** @param {ParentNode} place */
function findScrollers(place) {
  return [...place.querySelectorAll(".elmo-scroll")];
}

/** @param {ParentNode} place */
function findStyle(place) {
  return place.querySelector(".elmo-figure")?.getAttribute("data-style");
}

/**
 * Say which element of a figure has the focus.
 * @param {HTMLElement} place
 * @returns {{token: Token | null, index: number} | null}
 */
function describeFocus(place) {
  const element = document.activeElement;
  if (!(element instanceof HTMLElement) || !place.contains(element)) {
    return null;
  }
  const token = element.dataset.token ? describeToken(place, Number(element.dataset.token)) : null;
  return { token, index: [...place.querySelectorAll(FOCUSABLE)].indexOf(element) };
}

/**
 * @param {HTMLElement} place
 * @param {{token: Token | null, index: number}} focus
 */
function restoreFocus(place, { token, index }) {
  const alike = token ? listTokens(place).filter((button) => button.textContent === token.text) : [];
  const all = /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll(FOCUSABLE));
  const element = alike[(token?.number ?? 0) - 1] ?? all[Math.min(index, all.length - 1)];
  element?.focus({ preventScroll: true });
}
