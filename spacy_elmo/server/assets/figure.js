/** The figure: puts a new one in the place of the old one, and keeps what the user has chosen in it. */

/** @typedef {import("./tokens.js").TokenChoice} TokenChoice */

const FOCUSABLE = "select, button, summary, a[href], [tabindex='0']";
const SCROLLING = ".elmo-scroll, .elmo-text, .elmo-list, .elmo-uses";

/**
 * Show another figure. All happens between two pictures of the browser: there is no moment without a figure.
 * @param {HTMLElement} place
 * @param {string} html  Escaped by the server.
 * @param {string | null} layer
 * @param {TokenChoice} choice
 */
export function showFigure(place, html, layer, choice) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const restoreFocus = keepFocus(place);
  const restoreView = keepView(place);
  place.replaceChildren(template.content);
  /** @type {any} */ (window).elmoVisual?.attach(place);
  chooseLayer(place, layer);
  chooseToken(place, choice);
  restoreView();
  restoreFocus();
}

/**
 * List the tokens of the style "neighbours".
 * @param {HTMLElement} place
 * @returns {string[]}  None in other styles.
 */
export function listTokens(place) {
  return [...findTokens(place)].map((button) => button.textContent ?? "");
}

/**
 * @param {HTMLElement} place
 * @param {string | null} layer
 */
function chooseLayer(place, layer) {
  const select = /** @type {HTMLSelectElement | null} */ (place.querySelector("select.elmo-layer"));
  if (select && select.value !== layer && [...select.options].some((option) => option.value === layer)) {
    select.value = layer ?? "";
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

/**
 * @param {HTMLElement} place
 * @param {TokenChoice} choice
 */
function chooseToken(place, choice) {
  const buttons = findTokens(place);
  const button = buttons.length > 0 ? buttons[choice.find(listTokens(place))] : null;
  if (button && button.getAttribute("aria-pressed") !== "true") {
    button.click();
  }
}

/** @param {HTMLElement} place */
function findTokens(place) {
  return /** @type {NodeListOf<HTMLButtonElement>} */ (place.querySelectorAll("button.elmo-token"));
}

/**
 * Keep the focus on the token that is chosen, or on an element of the same number.
 * @param {HTMLElement} place
 * @returns {() => void}  Restores it in the new figure.
 */
function keepFocus(place) {
  const old = document.activeElement;
  if (!old || !place.contains(old)) {
    return () => {};
  }
  const number = [...place.querySelectorAll(FOCUSABLE)].indexOf(old);
  const isToken = old.matches("button.elmo-token");
  return () => {
    const all = /** @type {NodeListOf<HTMLElement>} */ (place.querySelectorAll(FOCUSABLE));
    const chosen = [...findTokens(place)].find((token) => token.getAttribute("aria-pressed") === "true");
    const element = (isToken && chosen) || all[Math.min(number, all.length - 1)];
    element?.focus({ preventScroll: true });
  };
}

/**
 * @param {HTMLElement} place
 * @returns {() => void}  Restores what is open, and how far boxes are scrolled, in a new figure of the same style.
 */
function keepView(place) {
  const style = findStyle(place);
  const areOpen = findDetails(place).map(({ open }) => open);
  const scrolls = findBoxes(place).map(({ scrollLeft, scrollTop }) => ({ scrollLeft, scrollTop }));
  return () => {
    if (findStyle(place) === style) {
      findDetails(place).forEach((details, number) => (details.open = areOpen[number] ?? details.open));
      findBoxes(place).forEach((box, number) => {
        const scroll = scrolls[number];
        // To set it makes the browser lay out the page at once.
        if (scroll?.scrollLeft || scroll?.scrollTop) {
          Object.assign(box, scroll);
        }
      });
    }
  };
}

/** @param {HTMLElement} place */
function findDetails(place) {
  return [...place.querySelectorAll("details")];
}

/** @param {HTMLElement} place */
function findBoxes(place) {
  return [...place.querySelectorAll(SCROLLING)];
}

/** @param {HTMLElement} place */
function findStyle(place) {
  return place.querySelector(".elmo-figure")?.getAttribute("data-style");
}
