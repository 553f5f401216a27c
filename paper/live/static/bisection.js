// The search of α: log α is bisected, and each α is attacked by projected gradient ascent from fixed starts.
xlgenLive.register("bisection", (panel, data, say) => {
  const { make, svg, slider, choice, button, logistic, vector } = xlgenLive;
  const BLUE = "#0072B2", RED = "#D55E00", FAINT = "#767676", INK = "#333333";
  const WIDTH = 600, HEIGHT = 280, LEFT = 50, BOTTOM = 240;
  const bar = make("div", { class: "live-bar" }, panel);
  const steps = make("div", { class: "live-bar" }, panel);
  const models = Object.fromEntries(Object.entries(data.sets).map(([name, x]) => [name, logistic(x, data.labels)]));
  const names = Object.fromEntries(Object.keys(data.sets).map((name) => [name, name]));
  const words = { absolute_loss: "loss", loss_deviation: "rise of the loss", accuracy_deviation: "drop of accuracy" };
  const frame = svg("svg", { class: "live-svg live-wide", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, panel);
  frame.setAttribute("aria-label", data.alt);
  let low, high, tried;

  const again = () => (([low, high] = data.bracket), (tried = []), show());
  const set = choice(bar, { label: "points", options: names, value: data.first, change: again });
  const criterion = choice(bar, { label: "not tolerated: too large a", options: words, change: again });
  const threshold = slider(bar, { label: "threshold", min: 0.02, max: 0.6, step: 0.02, value: data.threshold,
    show: (value) => value.toFixed(2), change: again });

  // The largest deviation that the climbs to the corners of the box of half-width α meet.
  const worst = (alpha) => {
    const model = models[set()], before = { loss: model.loss(data.w_0), accuracy: model.accuracy(data.w_0) };
    const deviation = { absolute_loss: (w) => model.loss(w), loss_deviation: (w) => model.loss(w) - before.loss,
      accuracy_deviation: (w) => before.accuracy - model.accuracy(w) }[criterion()];
    let largest = -Infinity;
    for (const start of data.starts) {
      let u = start.map((share) => share * alpha);
      for (let step = 0; step <= data.steps; step++) {
        const w = vector.add(data.w_0, u);
        largest = Math.max(largest, deviation(w));
        const gradient = model.gradient(w);
        u = u.map((one, k) =>
          Math.max(-alpha, Math.min(alpha, one + ((2 * alpha) / data.steps) * Math.sign(gradient[k]))));
      }
    }
    return largest;
  };

  const halve = () => {
    const alpha = Math.sqrt(low * high), value = worst(alpha), tolerated = value < threshold();
    tolerated ? (low = alpha) : (high = alpha);
    tried.push({ alpha, value, tolerated });
  };

  const show = () => {
    panel.state = { low, high, tried };
    const [from, to] = data.bracket.map(Math.log10), top = 3 * threshold();
    const x = (alpha) => LEFT + ((Math.log10(alpha) - from) / (to - from)) * (WIDTH - LEFT - 15);
    const y = (value) => BOTTOM - (Math.max(0, Math.min(value, top)) / top) * (BOTTOM - 15);
    frame.replaceChildren();
    const text = (x, y, words, more = {}) => svg("text", { x, y, "font-size": 13, fill: INK, text: words, ...more }, frame);
    svg("rect", { x: x(low), y: 10, width: x(high) - x(low), height: BOTTOM - 10, fill: "#dddddd" }, frame);
    svg("path", { d: `M${LEFT} 10V${BOTTOM}H${WIDTH - 15}`, fill: "none", stroke: INK }, frame);
    svg("line", { x1: LEFT, x2: WIDTH - 15, y1: y(threshold()), y2: y(threshold()), stroke: FAINT, "stroke-dasharray": "5 3" }, frame);
    text(WIDTH - 15, y(threshold()) - 5, "threshold", { "text-anchor": "end" });
    for (let power = Math.ceil(from); power <= to; power++)
      text(x(10 ** power), BOTTOM + 17, `10${[...String(power)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] || "⁻").join("")}`, { "text-anchor": "middle" });
    text((LEFT + WIDTH) / 2, BOTTOM + 36, "α: half-width of the box around w₀; grey: the bracket", { "text-anchor": "middle" });
    text(15, (BOTTOM + 10) / 2, words[criterion()], { "text-anchor": "middle", transform: `rotate(-90 15 ${(BOTTOM + 10) / 2})` });
    text(LEFT - 5, BOTTOM, "0", { "text-anchor": "end" });
    text(LEFT - 5, 20, top.toFixed(2), { "text-anchor": "end" });
    tried.forEach(({ alpha, value, tolerated }, k) => {
      const [a, b] = [x(alpha), y(value)];
      tolerated ? svg("circle", { cx: a, cy: b, r: 5, fill: BLUE }, frame)
        : svg("path", { d: `M${a - 5} ${b - 5}l10 10m0 -10l-10 10`, stroke: RED, "stroke-width": 2.5 }, frame);
      text(a + 7, b - 6, String(k + 1), { "font-size": 12 });
    });
    const last = tried.at(-1), left = data.bisections - tried.length;
    next.disabled = all.disabled = !left;
    const number = (value) => value.toPrecision(3);
    let said = last
      ? `α = ${number(last.alpha)}: worst ${words[criterion()]} ${last.value.toFixed(3)}, ` +
        `${last.tolerated ? "tolerated: look above" : "not tolerated: look below"}. ${left} left.`
      : `The bracket is ${number(low)} to ${number(high)}. Press “Halve” to try its middle, in log α.`;
    if (!left) {
      const [yes, no] = [tried.some((one) => one.tolerated), tried.some((one) => !one.tolerated)];
      said = yes && no ? `α is between ${number(low)} and ${number(high)}: 1/α² = ${number(1 / low ** 2)}.`
        : yes ? "Every α was tolerated: the search ends at the upper end of its bracket (hit_upper)."
          : "No α was tolerated: the search ends at the lower end of its bracket (hit_lower), and 1/α² says nothing.";
    }
    say(said);
  };

  const next = button(steps, "Halve", () => (halve(), show()));
  const all = button(steps, "To the end", () => {
    while (tried.length < data.bisections) halve();
    show();
  });
  button(steps, "Start over", again);
  again();
});
