// What all live figures share: finding them on the page, controls with labels, SVG, and saying what has changed.
(() => {
  const figures = (window.xlgenLive && window.xlgenLive.figures) || {};

  const make = (tag, attributes, parent) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {}))
      name === "text" ? (node.textContent = value) : node.setAttribute(name, value);
    return parent ? parent.appendChild(node) : node;
  };

  const svg = (tag, attributes, parent) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes || {}))
      name === "text" ? (node.textContent = value) : node.setAttribute(name, value);
    return parent ? parent.appendChild(node) : node;
  };

  const slider = (bar, { label, min, max, step, value, show = String, change }) => {
    const box = make("label", { text: label + " " }, bar);
    const input = make("input", { type: "range", min, max, step, value }, box);
    const said = make("span", { class: "live-value" }, box);
    const update = () => {
      said.textContent = show(Number(input.value));
      input.setAttribute("aria-valuetext", said.textContent);
    };
    input.addEventListener("input", () => (update(), change()));
    update();
    return () => Number(input.value);
  };

  const choice = (bar, { label, options, value, change }) => {
    const select = make("select", {}, make("label", { text: label + " " }, bar));
    for (const [key, words] of Object.entries(options)) make("option", { value: key, text: words }, select);
    if (value !== undefined) select.value = value;
    select.addEventListener("change", change);
    return () => select.value;
  };

  const button = (bar, label, press) => {
    const node = make("button", { type: "button", text: label }, bar);
    node.addEventListener("click", press);
    return node;
  };

  // Normal numbers from a seed: mulberry32 and Box and Muller, so that a reload draws the same.
  const normals = (seed) => {
    const uniform = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  };

  const start = () => {
    for (const root of document.querySelectorAll(".xlgen-live:not(.live-on)")) {
      const draw = figures[root.dataset.live];
      if (!draw) continue;
      root.classList.add("live-on");
      const panel = root.querySelector(".live-panel");
      const data = JSON.parse(root.querySelector("script").textContent);
      const output = make("output", { class: "live-said", "aria-live": "polite" });
      const say = (words) => words !== output.textContent && (output.textContent = words);
      Promise.resolve()
        .then(() => draw(panel, data, say))
        .then(() => [...panel.querySelectorAll(".live-bar")].at(-1).after(output))
        .catch((error) => {
          root.classList.remove("live-on"); // the picture stays
          root.dataset.live = "failed";
          panel.remove();
          console.error(error);
        });
    }
  };

  const register = (kind, draw) => {
    figures[kind] = draw;
    document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
  };
  window.xlgenLive = { figures, register, make, svg, slider, choice, button, normals };
})();
