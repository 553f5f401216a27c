// Altair's charts: Vega draws them and makes the inputs; here points get the keyboard and the numbers a voice.
xlgenLive.register("vega", async (panel, spec, say) => {
  const bar = xlgenLive.make("div", { class: "live-bar" }, panel);
  const chart = xlgenLive.make("div", { class: "live-vega" }, panel);
  // logLevel 1: errors only; a choice without values is no fault, and what is seen then says so
  const { view } = await vegaEmbed(chart, spec, { actions: false, renderer: "svg", bind: bar, logLevel: 1 });
  panel.view = view;

  const fit = () => chart.clientWidth && view.signal("width", chart.clientWidth).runAsync();
  new ResizeObserver(fit).observe(panel);

  const at = (point, kind) => {
    const box = point.getBoundingClientRect();
    const place = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
    point.dispatchEvent(new PointerEvent(kind, { bubbles: true, view: window, ...place }));
  };
  chart.addEventListener("focusin", (event) => event.target.matches("path") && at(event.target, "pointermove"));
  chart.addEventListener("focusout", (event) => event.target.matches("path") && at(event.target, "pointerout"));
  chart.addEventListener("keydown", (event) => {
    if (!event.target.matches("path") || !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    at(event.target, "click");
  });

  const follow = () => {
    for (const point of chart.querySelectorAll(".points_marks path")) point.setAttribute("tabindex", "0");
    const lines = [...chart.querySelectorAll("[class*='readout'] text")].map((text) =>
      [...(text.querySelectorAll("tspan").length ? text.querySelectorAll("tspan") : [text])]
        .map((line) => line.textContent).join(" "));
    say(lines.filter(Boolean).join(" ") || "No values for this choice.");
  };
  new MutationObserver(follow).observe(chart, { subtree: true, childList: true, characterData: true });
  follow();
});
