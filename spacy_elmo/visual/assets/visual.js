// Brings figures to life: switches layers, lists the neighbours of the chosen token, reads points of a map aloud.
(function () {
  "use strict";
  // Several figures of a notebook bring this script with them.
  if (window.elmoVisual) {
    window.elmoVisual.attach(document);
    return;
  }

  function attach(root) {
    for (const figure of root.querySelectorAll(".elmo-figure:not([data-attached])")) {
      figure.setAttribute("data-attached", "");
      const neighbours = figure.querySelector(".elmo-data") ? attachNeighbours(figure) : null;
      const select = figure.querySelector(".elmo-layer");
      if (select) {
        select.addEventListener("change", () => {
          for (const panel of figure.querySelectorAll(".elmo-panel")) {
            panel.hidden = panel.dataset.layer !== select.value;
          }
          if (neighbours) neighbours.show();
          announce(figure, "elmo:layer", { layer: select.value });
        });
      }
      for (const map of figure.querySelectorAll(".elmo-map")) attachMap(map);
    }
  }

  function announce(figure, name, detail) {
    figure.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  function attachNeighbours(figure) {
    const data = JSON.parse(figure.querySelector(".elmo-data").textContent);
    const tokens = Array.from(figure.querySelectorAll(".elmo-token"));
    const text = figure.querySelector(".elmo-text");
    const list = figure.querySelector(".elmo-list");
    let chosen = Math.max(0, tokens.findIndex((token) => token.getAttribute("aria-pressed") === "true"));

    function show() {
      const select = figure.querySelector(".elmo-layer");
      const layer = data.layers[select ? select.value : Object.keys(data.layers)[0]];
      const heading = element("p", "elmo-chosen", "Nearest to ");
      heading.append(showContext(tokens[chosen], data.context));
      const items = element("ol", "elmo-results");
      for (let k = chosen * layer.k; k < (chosen + 1) * layer.k; k++) {
        if (layer.rows[k] < 0) break;
        const item = element("li", "elmo-neighbour");
        const number = (layer.cosines[k] / data.scale).toFixed(2).replace("-", "\u2212");
        item.append(element("span", "elmo-number", number), " ", showContext(tokens[layer.rows[k]], data.context));
        items.append(item);
      }
      list.replaceChildren(heading, items);
    }

    let stop = chosen;
    // One stop of the Tab key for all tokens; arrows go on from there.
    function moveStop(row) {
      tokens[stop].tabIndex = -1;
      tokens[row].tabIndex = 0;
      stop = row;
    }

    function choose(row) {
      moveStop(row);
      tokens[chosen].setAttribute("aria-pressed", "false");
      tokens[row].setAttribute("aria-pressed", "true");
      chosen = row;
      show();
      announce(figure, "elmo:token", { token: row, text: tokens[row].textContent });
    }

    text.addEventListener("click", (event) => {
      const token = event.target.closest(".elmo-token");
      if (token) choose(Number(token.dataset.token));
    });
    text.addEventListener("keydown", (event) => {
      const token = event.target.closest(".elmo-token");
      if (!token || event.altKey || event.ctrlKey || event.metaKey) return;
      const row = Number(token.dataset.token);
      const forward = getComputedStyle(token.parentElement).direction === "rtl" ? -1 : 1;
      const next = {
        ArrowRight: row + forward,
        ArrowLeft: row - forward,
        ArrowDown: nextSentence(token, 1),
        ArrowUp: nextSentence(token, -1),
        Home: 0,
        End: tokens.length - 1,
      }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      if (tokens[next]) {
        moveStop(next);
        tokens[next].focus();
      }
    });
    return { show };
  }

  function nextSentence(token, step) {
    let sentence = token.parentElement;
    do {
      sentence = step > 0 ? sentence.nextElementSibling : sentence.previousElementSibling;
    } while (sentence && !sentence.querySelector(".elmo-token"));
    return sentence ? Number(sentence.querySelector(".elmo-token").dataset.token) : -1;
  }

  function showContext(token, size) {
    const nodes = Array.from(token.parentElement.childNodes);
    const buttons = Array.from(token.parentElement.children);
    const place = buttons.indexOf(token);
    const first = Math.max(0, place - size);
    const last = Math.min(buttons.length - 1, place + size);
    const context = element("span", "elmo-context");
    context.dir = "auto";
    if (first > 0) context.append("\u2026 ");
    for (let k = nodes.indexOf(buttons[first]); k <= nodes.indexOf(buttons[last]); k++) {
      context.append(nodes[k] === token ? element("mark", "", token.textContent) : nodes[k].textContent);
    }
    if (last < buttons.length - 1) context.append(" \u2026");
    return context;
  }

  function attachMap(map) {
    const readout = map.nextElementSibling;
    map.addEventListener("pointerover", (event) => {
      const point = event.target.closest(".elmo-point");
      if (point) readout.textContent = point.querySelector("title").textContent;
    });
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  window.elmoVisual = { attach };
  attach(document);
})();
