// A logistic regression with two weights, and the plane of its weights with contours of the loss.
(() => {
  const { svg } = xlgenLive;
  const SIZE = 400, CELLS = 60;

  // Points x (N, 2), labels ±1: the loss L [nats], its gradient, and the trace of the Fisher information.
  xlgenLive.logistic = (x, labels) => {
    const mean = (of) => x.reduce((sum, point, i) => sum + of(point, labels[i]), 0) / x.length;
    const score = (w, p) => w[0] * p[0] + w[1] * p[1];
    const sigmoid = (z) => 1 / (1 + Math.exp(-z));
    const two = (of) => [0, 1].map((k) => mean((p, y) => of(p, y, k)));
    return {
      loss: (w) => mean((p, y) => (z => z > 0 ? Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z)) - z)(y * score(w, p))),
      accuracy: (w) => mean((p, y) => (y * score(w, p) > 0 ? 1 : 0)),
      gradient: (w) => two((p, y, k) => -y * p[k] * sigmoid(-y * score(w, p))),
      trace: (w) => mean((p) => (s => s * (1 - s) * (p[0] * p[0] + p[1] * p[1]))(sigmoid(score(w, p)))),
      traceGradient: (w) =>
        two((p, y, k) => (s => s * (1 - s) * (1 - 2 * s) * (p[0] * p[0] + p[1] * p[1]) * p[k])(sigmoid(score(w, p)))),
    };
  };

  xlgenLive.vector = {
    add: (a, b, c = 1) => [a[0] + c * b[0], a[1] + c * b[1]],
    norm: (a) => Math.hypot(a[0], a[1]),
  };

  // Line segments of one height in a grid of heights: each cell's edges are crossed at two or four places.
  const contour = (heights, level) => {
    let path = "";
    for (let i = 0; i < CELLS; i++)
      for (let j = 0; j < CELLS; j++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const ends = [];
        for (let k = 0; k < 4; k++) {
          const [a, b] = [corners[k], corners[(k + 1) % 4]];
          const [from, to] = [heights[a[0]][a[1]], heights[b[0]][b[1]]];
          if (from < level !== to < level) {
            const t = (level - from) / (to - from);
            ends.push([a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]);
          }
        }
        const px = (end) => `${((end[0] * SIZE) / CELLS).toFixed(1)} ${(SIZE - (end[1] * SIZE) / CELLS).toFixed(1)}`;
        for (let k = 0; k + 1 < ends.length; k += 2) path += `M${px(ends[k])}L${px(ends[k + 1])}`;
      }
    return path;
  };

  // A square of weights around a centre. draw(height, reach) begins a picture; arrow, dot and circle add to it.
  xlgenLive.plane = (parent, centre, alt) => {
    const frame = svg("svg", { class: "live-svg", viewBox: `-6 -6 ${SIZE + 12} ${SIZE + 34}`, role: "img" }, parent);
    frame.setAttribute("aria-label", alt);
    let reach = 1, layer, drawn = "";
    const lines = svg("g", { fill: "none", stroke: "#bbbbbb" }, frame);
    const axis = svg("text", { x: SIZE / 2, y: SIZE + 20, "text-anchor": "middle", "font-size": 13 }, frame);
    const at = (w) => [0, 1].map((k) => SIZE / 2 + ((k ? -1 : 1) * (w[k] - centre[k]) * SIZE) / (2 * reach));
    const label = (x, y, text, colour) =>
      svg("text", { x, y, fill: colour, "font-size": 14, stroke: "white", "stroke-width": 3,
        "paint-order": "stroke", text }, layer);
    return {
      draw(height, wanted, about, key = about) {
        reach = Math.ceil(wanted * 2) / 2;
        layer && layer.remove();
        layer = svg("g", {}, frame);
        if (drawn === `${key} ${reach}`) return;
        drawn = `${key} ${reach}`;
        const side = (k, i) => centre[k] + reach * ((2 * i) / CELLS - 1);
        const heights = Array.from({ length: CELLS + 1 }, (_, i) =>
          Array.from({ length: CELLS + 1 }, (_, j) => height([side(0, i), side(1, j)])));
        const all = heights.flat(), low = Math.min(...all), high = Math.max(...all);
        lines.replaceChildren();
        for (let k = 1; k <= 14; k++) // denser near the minimum
          svg("path", { d: contour(heights, low + (high - low) * (k / 15) ** 2) }, lines);
        svg("rect", { width: SIZE, height: SIZE, stroke: "#767676" }, lines);
        axis.textContent = `two weights, ${(2 * reach).toFixed(0)} units across; contours: ${about}`;
      },
      dot(w, text, colour = "#333333") {
        const [x, y] = at(w);
        svg("circle", { cx: x, cy: y, r: 5, fill: colour, stroke: "white" }, layer);
        text && label(x + 8, y - 7, text, colour);
      },
      arrow(from, to, colour, dash = "") {
        const [[x1, y1], [x2, y2]] = [at(from), at(to)];
        const length = Math.hypot(x2 - x1, y2 - y1);
        const style = { stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash };
        svg("line", { x1, y1, x2, y2, ...style }, layer);
        if (length < 1) return;
        const [u, v] = [(8 * (x2 - x1)) / length, (8 * (y2 - y1)) / length];
        const head = `${x2},${y2} ${x2 - u - v / 2},${y2 - v + u / 2} ${x2 - u + v / 2},${y2 - v - u / 2}`;
        svg("polygon", { points: head, fill: colour }, layer);
      },
      circle(w, radius, colour, text = "") {
        const [x, y] = at(w), r = (radius * SIZE) / (2 * reach);
        svg("circle", { cx: x, cy: y, r, fill: "none", stroke: colour, "stroke-width": 1.5, "stroke-dasharray": "6 3" }, layer);
        text && label(x + r * 0.71 + 4, y + r * 0.71, text, colour);
      },
    };
  };
})();
