// Algorithm 1, line by line, on a landscape of two weights.
xlgenLive.register("algorithm_1", (panel, data, say) => {
  const { make, slider, choice, button, normals, logistic, plane, vector } = xlgenLive;
  const { add, norm } = vector;
  const BLUE = "#0072B2", RED = "#D55E00", GREEN = "#009E73", INK = "#333333";
  const bar = make("div", { class: "live-bar" }, panel);
  const steps = make("div", { class: "live-bar" }, panel);
  const models = Object.fromEntries(Object.entries(data.sets).map(([name, x]) => [name, logistic(x, data.labels)]));
  const names = Object.fromEntries(Object.keys(data.sets).map((name) => [name, name]));
  const view = plane(panel, data.w_0, data.alt);
  const draw = normals(1);
  let unit = data.epsilon, line = 0, seen = [];

  const again = () => ((seen = []), show());
  const set = choice(bar, { label: "points", options: names, value: data.first, change: again });
  const two = (value) => value.toFixed(2);
  const sigma = slider(bar, { label: "noise σ", min: 0, max: 2, step: 0.05, value: data.sigma, show: two, change: again });
  const n = slider(bar, { label: "step n", min: 0, max: 30, step: 0.5, value: data.n, show: String, change: again });
  const lam = slider(bar, { label: "radius λ", min: 0.01, max: 0.6, step: 0.01, value: data.lam, show: two, change: again });

  const walk = () => {
    const model = models[set()];
    const w = [0, 1].map((k) => data.w_0[k] + sigma() * unit[k]);
    const ascended = add(w, model.gradient(w), n());
    const radius = lam() * norm(ascended);
    const away = add(ascended, data.w_0, -1);
    const outside = norm(away) > radius;
    const neighbour = outside ? add(data.w_0, away, radius / norm(away)) : ascended;
    return { model, w, ascended, radius, outside, neighbour, phi: model.loss(neighbour) - model.loss(data.w_0) };
  };

  const show = () => {
    const { model, w, ascended, radius, outside, neighbour, phi } = (panel.walk = walk());
    const far = Math.max(radius, norm(add(w, data.w_0, -1)), norm(add(ascended, data.w_0, -1)), 0.4);
    view.draw(model.loss, 1.1 * far, "the loss", set());
    const words = [`Line 0: w₀, with the loss ${model.loss(data.w_0).toFixed(3)} nats.`];
    if (line >= 3) view.circle(data.w_0, radius, INK, "p");
    if (line >= 1) {
      view.arrow(data.w_0, w, BLUE);
      words.push(`Line 1: noise of length ${norm(add(w, data.w_0, -1)).toFixed(2)} leads to w.`);
    }
    if (line >= 2) {
      view.arrow(w, ascended, RED);
      words.push(`Line 2: n times the gradient, a step of ${norm(add(ascended, w, -1)).toFixed(2)} uphill.`);
    }
    if (line >= 3) words.push(`Line 3: the ball has the radius p = λ ‖w′‖ = ${radius.toFixed(2)}.`);
    if (line >= 4) {
      if (outside) view.arrow(ascended, neighbour, GREEN, "5 3");
      words.push(outside ? "Line 4: w′ is outside and is pulled back to the ball." : "Line 4: w′ is inside and stays.");
    }
    view.dot(data.w_0, "w₀");
    if (line >= 1) view.dot(w, "w", BLUE);
    if (line >= 2) view.dot(line >= 4 ? neighbour : ascended, "w′", line >= 4 && outside ? GREEN : RED);
    if (line >= 5) {
      if (!seen.includes(phi)) seen.push(phi);
      const mean = seen.reduce((a, b) => a + b) / seen.length;
      const error = Math.sqrt(seen.reduce((a, b) => a + (b - mean) ** 2, 0) / (seen.length - 1) / seen.length);
      const over = seen.length > 1 ? ` Over ${seen.length} draws: ${mean.toFixed(3)} ± ${error.toFixed(3)}.` : "";
      words.push(`Line 5: φ = L(w′) − L(w₀) = ${phi.toFixed(3)} nats.${over}`);
    }
    next.disabled = line >= 5;
    say(line >= 5 ? words.slice(4).join(" ") : words[line]);
  };

  const next = button(steps, "Next line", () => ((line = Math.min(5, line + 1)), show()));
  button(steps, "All lines", () => ((line = 5), show()));
  button(steps, "Draw again", () => ((unit = [draw(), draw()]), show()));
  button(steps, "Start over", () => ((line = 0), (unit = data.epsilon), again()));
  show();
});
