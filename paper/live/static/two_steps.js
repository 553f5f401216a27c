// Descent on a landscape of two weights: plain, SAM's two steps, or with the Fisher penalty.
xlgenLive.register("two_steps", (panel, data, say) => {
  const { make, slider, choice, button, logistic, plane, vector } = xlgenLive;
  const { add, norm } = vector;
  const bar = make("div", { class: "live-bar" }, panel);
  const steps = make("div", { class: "live-bar" }, panel);
  const model = logistic(data.x, data.labels);
  const view = plane(panel, data.w_0, data.alt);
  let w, path, climbed;

  const again = () => ((w = data.start), (path = [w]), (climbed = null), show("At the start."));
  const two = (value) => value.toFixed(2);
  const objective = choice(bar, { label: "objective", options: data.objectives, value: "sam", change: again });
  const rho = slider(bar, { label: "SAM’s ρ", min: 0, max: 3, step: 0.05, value: data.rho, show: two, change: again });
  const lam = slider(bar, { label: "penalty λ", min: 0, max: 2, step: 0.02, value: data.lam, show: two, change: again });

  const uphill = (w) => {
    const gradient = model.gradient(w);
    return norm(gradient) ? add(w, gradient, rho() / norm(gradient)) : w;
  };
  const minimised = {
    baseline: (w) => model.loss(w),
    sam: (w) => model.loss(uphill(w)),
    fisher: (w) => model.loss(w) + lam() * model.trace(w),
  };
  const direction = {
    baseline: (w) => model.gradient(w),
    sam: (w) => model.gradient(uphill(w)), // as the paper, without the derivative of the climb
    fisher: (w) => add(model.gradient(w), model.traceGradient(w), lam()),
  };

  const descend = () => {
    w = add(w, direction[objective()](w), -data.rate);
    path.push(w);
    climbed = null;
  };

  const show = (words) => {
    const key = objective(), { colour } = data.looks[key];
    panel.state = { w, path, climbed };
    const about = { baseline: "the loss", sam: "the loss at ρ uphill", fisher: "the loss + λ Tr F" }[key];
    view.draw(minimised[key], data.reach, about, `${key} ${rho()} ${lam()}`);
    path.slice(1).forEach((end, k) => view.arrow(path[k], end, colour));
    if (climbed) view.arrow(w, climbed, "#CC79A7", "5 3");
    view.dot(data.w_0, "w₀");
    if (climbed) view.dot(climbed, "w + ε̂", "#CC79A7");
    view.dot(w, "w", colour);
    const facts = `L(w) = ${model.loss(w).toFixed(3)} nats, at ρ uphill ${model.loss(uphill(w)).toFixed(3)}, ` +
      `Tr F = ${model.trace(w).toFixed(3)}.`;
    say(`${words} ${facts}`);
  };

  button(steps, "Next step", () => {
    if (objective() === "sam" && !climbed) {
      climbed = uphill(w);
      return show(`SAM’s first step climbs by ρ = ${two(rho())} along the gradient.`);
    }
    descend();
    const words = { baseline: "Down the gradient.", sam: "SAM’s second step takes the gradient up there, from w.",
      fisher: "Down the gradient of the loss and of λ Tr F." }[objective()];
    show(`Step ${path.length - 1}: ${words}`);
  });
  button(steps, "Fifty steps", () => {
    for (let k = 0; k < 50; k++) descend();
    show(`After ${path.length - 1} steps.`);
  });
  button(steps, "Start over", again);
  again();
});
